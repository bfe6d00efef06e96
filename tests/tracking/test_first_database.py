"""The first run of a home makes its database; what becomes of it where that is broken off."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from seqline.home import Home
from seqline.tracking.store import open_store

OPEN = (
    "import sys; from pathlib import Path; from seqline.home import Home; "
    "from seqline.tracking.store import open_store; open_store(Home(Path(sys.argv[1])))"
)


def test_a_kill_while_it_is_made_leaves_none_and_the_next_makes_it(tmp_path: Path) -> None:
    home = Home(tmp_path)
    process = subprocess.Popen([sys.executable, "-c", OPEN, str(tmp_path)])

    def half_made() -> bool:
        begun = list(tmp_path.rglob("mlflow.db"))
        return bool(begun) and begun[0].stat().st_size > 100_000

    while not half_made():
        assert process.poll() is None, "it was made before it could be killed"
        time.sleep(0.01)
    process.kill()
    process.wait()
    assert not home.database.exists()
    client = open_store(home)
    client.create_run(client.create_experiment("first"))
    assert [path.name for path in tmp_path.glob("*mlflow*.db")] == ["mlflow.db"]
    assert not list(tmp_path.glob(".partial*"))

"""Killed while it makes the tracking store's database: the next one makes it whole."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from seqline.home import Home
from seqline.tracking.store import open_store

OPEN = (
    "from seqline.home import *; quiet_environment(); "
    "from seqline.tracking.store import open_store; open_store(open_home())"
)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_database_is_there_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    home = Home(tmp_path)
    for moment in (0.0, 0.1, 0.3):
        process = subprocess.Popen(
            [sys.executable, "-c", OPEN],
            env={**os.environ, "SEQLINE_HOME": str(tmp_path)},
            stderr=subprocess.DEVNULL,
        )
        partial = tmp_path / ".partial-mlflow.db"
        while process.poll() is None and not (partial.exists() and partial.stat().st_size):
            time.sleep(0.001)
        time.sleep(moment)
        assert process.poll() is None, "it was too fast to be killed"
        process.kill()
        process.wait()
        assert partial.exists() and not home.database.exists()
    client = open_store(home)
    assert client.search_experiments(max_results=1)
    assert not list(tmp_path.glob(".partial-*"))
    with closing(sqlite3.connect(home.database)) as database:
        assert database.execute("pragma integrity_check").fetchone() == ("ok",)

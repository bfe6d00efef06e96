from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from processes import COMMAND, SEQLINE, Served, environment, wait_until
from toy_language import write_splits

from seqline.services.address import free_port


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """`seqline ui`, up for all tests, the ports that it wanted taken by someone else."""
    folder = tmp_path_factory.mktemp("served")
    home, log = folder / "home", folder / "said.txt"
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        wanted = (taken.getsockname()[1], free_port(0))
        with log.open("w") as said:
            process = subprocess.Popen(
                [sys.executable, "-c", COMMAND, *map(str, wanted)],
                env=environment(home),
                stdout=said,
                stderr=said,
            )
        note = home / "ui.json"
        wait_until(lambda: note.is_file() or process.poll() is not None, 90, "seqline ui")
        assert process.poll() is None, log.read_text()
        address = json.loads(note.read_text())
        assert address["pid"] == process.pid
        yield Served(home, log.read_text(), wanted, address["mlflow"], address["prefect"])
        process.terminate()  # SIGINT is ignored where the tests run in the background
        process.wait(30)


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Overrides for a training of a moment."""
    small = ["trainer.max_epochs=2", "trainer.threads=1", "architecture.hidden_size=8"]
    return [*write_splits(tmp_path_factory.mktemp("data")), *small]


@pytest.fixture(scope="session")
def finished(served: Served, data: list[str]) -> dict[str, Any]:
    """The report of a run that joined the servers of `seqline ui`."""
    command = [sys.executable, "-c", SEQLINE, "run", "--json", *data]
    done = subprocess.run(
        command, env=environment(served.home), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return report

"""A run that is interrupted, with the temporary server of its own."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from processes import SEQLINE, Served, environment, processors_are_free, wait_until

from seqline.home import Home


def ask(database: Path, query: str) -> list[tuple[str, ...]]:
    connection = sqlite3.connect(database)
    try:
        return list(connection.execute(query))
    finally:
        connection.close()


@pytest.mark.parametrize(
    "how", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)]
)
def test_it_ends_at_once_and_says_so_everywhere(
    how: signal.Signals, data: list[str], tmp_path: Path
) -> None:
    home = Home(tmp_path / "home")
    log = tmp_path / "log.txt"
    with log.open("w") as stream:
        process = subprocess.Popen(
            [sys.executable, "-c", SEQLINE, "run", *data, "trainer.max_epochs=100000"],
            env=environment(home.path),
            stderr=stream,
        )
    wait_until(lambda: "train: epoch 1" in log.read_text(), 180, "the training")
    started = time.monotonic()
    process.send_signal(how)
    assert process.wait(60) == 130
    if processors_are_free():
        assert time.monotonic() - started < 5
    assert ask(home.database, "select status from runs") == [("KILLED",)]
    prefect = home.prefect / "prefect.db"
    ((state,),) = ask(prefect, "select state_type from flow_run")
    assert state in ("CRASHED", "CANCELLED", "FAILED")
    states = dict(ask(prefect, "select name, state_type from task_run"))
    assert states["prepare pos_tagging (files)"] == "COMPLETED"
    assert "RUNNING" not in states.values()
    assert list(home.checkpoints.glob("*/checkpoint-*"))
    assert not list(home.stages.glob(".partial*"))
    assert "Traceback" not in log.read_text()
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True)
    servers = [line for line in listed.stdout.splitlines() if "prefect_server" in line]
    assert not any(line.split()[-1] == str(process.pid) for line in servers)


def test_what_is_refused_leaves_nothing_in_the_tracking_store(
    served: Served, data: list[str], tmp_path: Path
) -> None:
    broken = tmp_path / "broken.conllu"
    broken.write_text("1\tonly\tthree\n", encoding="utf-8")
    runs = "select run_uuid from runs"
    before = ask(Home(served.home).database, runs)
    done = subprocess.run(
        [sys.executable, "-c", SEQLINE, "run", *data, f"data.test={broken}"],
        env=environment(served.home),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "broken.conllu, line 1" in done.stderr and "Traceback" not in done.stderr
    assert ask(Home(served.home).database, runs) == before

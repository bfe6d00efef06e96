"""A sweep beside `seqline ui`: a child that fails leaves the others be, and is tried again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from mlflow.tracking import MlflowClient
from processes import SEQLINE, Served, environment

from seqline.home import Home
from seqline.runs.record import records

FRAIL = """
from pathlib import Path
from seqline_plugins.cells.rnn import RNN

class Frail(RNN):
    def equations(self, t):
        rows = t.x.candidate.shape[0]  # two where the equations are only tried
        if rows > 2 and not Path("mended").exists():
            raise RuntimeError("the cell is frail today")
        return super().equations(t)
"""


def swept(served: Served, folder: Path, *overrides: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", SEQLINE, "sweep", "--json", *overrides]
    kept = environment(served.home) | {"PYTHONPATH": os.environ["PYTHONPATH"]}
    return subprocess.run(
        command, cwd=folder, env=kept, capture_output=True, text=True, check=False
    )


def ask(served: Served, what: str, **body: Any) -> Any:
    request = urllib.request.Request(
        f"{served.prefect}/api/{what}",
        data=json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def test_a_sweep_isolates_a_failure_and_goes_on_with_what_is_missing(
    served: Served, data: list[str], tmp_path: Path, install: Any
) -> None:
    install("frail", FRAIL, cells={"frail": "frail:Frail"})
    asked = [*data, "trainer.kernel=reference", "cell=gru,frail", "sweep.parallel=2"]
    first = swept(served, tmp_path, *asked)
    assert first.returncode == 1, first.stderr
    report = json.loads(first.stdout.splitlines()[0])
    assert [row["cell"] for row in report["rows"]] == ["gru"]
    (failed,) = report["not_finished"]
    assert failed["child"] == "frail" and "the cell is frail today" in failed["error"]
    assert "1 of 2 children failed" in first.stderr

    client = MlflowClient(tracking_uri=served.mlflow)
    ((experiment, parent),) = report["parents"].items()
    above = client.get_run(parent)
    assert above.info.status == "FAILED" and above.info.run_name == "sweep: cell (gru, frail)"
    assert "the cell is frail today" in above.data.tags["mlflow.note.content"]

    (tmp_path / "mended").touch()
    second = swept(served, tmp_path, *asked)
    assert second.returncode == 0, second.stderr
    report = json.loads(second.stdout)
    assert sorted(row["cell"] for row in report["rows"]) == ["frail", "gru"]
    assert report["parents"] == {experiment: parent} and report["not_finished"] == []
    children = client.search_runs([experiment], f"tags.`mlflow.parentRunId` = '{parent}'")
    assert {(one.info.run_name, one.info.status) for one in children} == {
        ("gru", "FINISHED"),
        ("frail", "FINISHED"),
    }
    assert client.get_run(parent).info.status == "FINISHED"
    own = [one for one in records(Home(served.home)) if one.sweep == report["sweep"]]
    assert sorted(len(one.attempts) for one in own) == [1, 2]  # gru was not run again

    flows = {one["name"]: one for one in ask(served, "flow_runs/filter")}
    assert flows["pos_tagging: frail many_to_many, seed 0"]["parent_task_run_id"] is not None
    of_sweep = {"flow_runs": {"id": {"any_": [flows["sweep: cell (gru, frail)"]["id"]]}}}
    tasks = ask(served, "task_runs/filter", **of_sweep)
    assert {one["name"] for one in tasks} <= {"gru", "frail"}
    assert flows["sweep: cell (gru, frail)"]["tags"] and not any(one["tags"] for one in tasks)
    keys = {
        one["key"]
        for one in ask(
            served,
            "artifacts/filter",
            artifacts={"flow_run_id": {"any_": [flows["sweep: cell (gru, frail)"]["id"]]}},
        )
    }
    keys.discard(None)  # Prefect's own note of a task's result, which comes sooner or later
    assert keys == {"sweep-progress", "sweep-result", "mlflow-1"}

    third = swept(served, tmp_path, *asked)
    assert third.returncode == 0 and json.loads(third.stdout) == report


@pytest.mark.slow
def test_a_sweep_that_is_killed_goes_on_with_the_same_parent(
    served: Served, data: list[str], tmp_path: Path
) -> None:
    import signal
    import time

    asked = [
        *data, "trainer.max_epochs=60", "trainer.checkpoint_minutes=0.003",
        "tracking.register=false", "trainer.seed=21,22,23", "sweep.parallel=2",
    ]  # fmt: skip
    checkpoints = Home(served.home).checkpoints
    command = [sys.executable, "-c", SEQLINE, "sweep", "--json", *asked]
    process = subprocess.Popen(command, cwd=tmp_path, env=environment(served.home))
    before = {path.name for path in checkpoints.glob("*")}
    end = time.monotonic() + 120
    while {path.name for path in checkpoints.glob("*")} <= before and time.monotonic() < end:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = subprocess.run(
        command, cwd=tmp_path, env=environment(served.home), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert [row["seeds"] for row in report["rows"]] == [3] and len(report["parents"]) == 1
    own = [one for one in records(Home(served.home)) if one.sweep == report["sweep"]]
    assert len(own) == 3 and {one.status for one in own} == {"finished"}
    ((experiment, parent),) = report["parents"].items()
    client = MlflowClient(tracking_uri=served.mlflow)
    children = client.search_runs([experiment], f"tags.`mlflow.parentRunId` = '{parent}'")
    assert len(children) == 3

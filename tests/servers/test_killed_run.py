"""A run killed with SIGKILL, beside `seqline ui`: marked, continued to the same bits, once."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from processes import SEQLINE, Served, environment, wait_until

from seqline import stages
from seqline.config.compose import compose
from seqline.home import Home
from seqline.reporter import SilentReporter
from seqline.stages.folder import read_json
from seqline.training.loop import Watchers

LONGER = ["trainer.max_epochs=100", "trainer.seed=11", "trainer.device=cpu"]
OF_A_SECOND = ["trainer.checkpoint_minutes=0.003", "tracking.register=false"]


def ask(database: Path, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(database)) as connection:
        return list(connection.execute(query))


def seqline(served: Served, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", SEQLINE, *arguments]
    return subprocess.run(
        command, env=environment(served.home), capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def overrides(data: list[str]) -> list[str]:
    return [*data, *LONGER, *OF_A_SECOND]


@pytest.fixture(scope="module")
def killed(
    served: Served, overrides: list[str], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """The record of a run whose process group was killed in the middle of its training."""
    log = tmp_path_factory.mktemp("killed") / "log.txt"
    with log.open("w") as stream:
        process = subprocess.Popen(
            [sys.executable, "-c", SEQLINE, "run", *overrides],
            env=environment(served.home),
            stderr=stream,
            stdout=stream,
            start_new_session=True,
        )
    checkpoints = Home(served.home).checkpoints
    wait_until(lambda: len(list(checkpoints.glob("*/checkpoint-*"))) == 2, 120, "the training")
    os.killpg(process.pid, signal.SIGSTOP)  # so that it is in the middle however slow we are
    twin = seqline(served, "run", *overrides)
    assert twin.returncode == 2 and f"process {process.pid}" in twin.stderr, twin.stderr
    assert process.poll() is None, log.read_text()
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    (path,) = checkpoints.glob("*")
    found: dict[str, Any] = read_json(Home(served.home).runs / path.name / "run.json")["record"]
    assert found["status"] == "running"  # it could say no more
    return found


@pytest.fixture(scope="module")
def resumed(served: Served, killed: dict[str, Any]) -> dict[str, Any]:
    """The report of `seqline resume`, after a command that only opened the store."""
    assert seqline(served, "predict", killed["run_id"]).returncode == 2  # it has no export
    marked = f"select status from runs where run_uuid = '{killed['run_id']}'"
    assert ask(Home(served.home).database, marked) == [("KILLED",)]
    done = seqline(served, "resume", "--json")
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def test_it_goes_on_as_the_same_run_to_the_same_bits(
    killed: dict[str, Any], resumed: dict[str, Any], overrides: list[str], tmp_path: Path
) -> None:
    assert resumed["run_id"] == killed["run_id"]
    workspace = stages.Workspace(Home(tmp_path), SilentReporter())
    config = compose(overrides)
    calm = stages.train(
        config,
        workspace,
        stages.prepare(config, workspace),
        Watchers(SilentReporter(), tmp_path / "checkpoints"),
    )
    folder = Path(resumed["folders"]["train"])
    weights = (folder / "weights.safetensors").read_bytes()
    assert weights == (calm.folder / "weights.safetensors").read_bytes()
    assert figures_of(folder) == figures_of(calm.folder)


def figures_of(folder: Path) -> list[Any]:
    points = [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]
    return [(point["step"], point["metrics"]) for point in points]


def test_every_figure_is_in_mlflow_once(served: Served, resumed: dict[str, Any]) -> None:
    of_run = f"where run_uuid = '{resumed['run_id']}'"
    kept = ask(Home(served.home).database, f"select key, step, timestamp from metrics {of_run}")
    assert len({(key, step) for key, step, _ in kept}) == len(kept)
    history = (Path(resumed["folders"]["train"]) / "history.jsonl").read_text().splitlines()
    made = {
        (key, point["step"], point["timestamp_ms"])
        for point in map(json.loads, history)
        for key in point["metrics"]
    }
    assert made == {one for one in kept if one[1] > 0}


def test_both_attempts_are_seen_in_prefect_and_lead_to_the_run(
    served: Served, killed: dict[str, Any], resumed: dict[str, Any]
) -> None:
    prefect = Home(served.home).prefect / "prefect.db"
    tag = f"seqline:{killed['key']}"
    states = f"select state_type from flow_run where tags like '%{tag}%' order by start_time"
    assert ask(prefect, states) == [("CRASHED",), ("COMPLETED",)]
    tags = dict(
        ask(
            Home(served.home).database,
            f"select key, value from tags where run_uuid = '{resumed['run_id']}'",
        )
    )
    assert tags["attempts"] == "2" and len(tags["prefect.flow_runs"].split()) == 2
    assert tags["prefect.flow_run"] == tags["prefect.flow_runs"].split()[1]
    assert "failure" not in tags


def test_a_finished_run_says_so(served: Served, resumed: dict[str, Any]) -> None:
    done = seqline(served, "resume", resumed["run_id"][:8])
    assert done.returncode == 0 and "is finished already" in done.stdout
    assert not list(Home(served.home).checkpoints.glob("*/checkpoint-*"))

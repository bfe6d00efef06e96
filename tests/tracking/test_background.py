"""The run in a real SQLite store: what it holds after each way to end."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mlflow.entities import Run, ViewType
from mlflow.tracking import MlflowClient

from seqline.home import Home
from seqline.reporter import SilentReporter
from seqline.runs.attempt import Attempt
from seqline.runs.claim import claim
from seqline.tracking.background import Tracking
from seqline.tracking.run import LONGEST, TrackedRun, flatten
from seqline_plugins.errors import ServiceError, UserError


def runs_of(client: MlflowClient, config: dict[str, Any]) -> list[Run]:
    experiment = client.get_experiment_by_name(config["tracking"]["experiment"])
    return list(client.search_runs([experiment.experiment_id])) if experiment else []


def the_run(client: MlflowClient, config: dict[str, Any]) -> Run:
    (run,) = runs_of(client, config)
    return run


def test_a_finished_run_holds_its_parameters_tags_and_every_point(
    client: MlflowClient, attempt: Attempt, config: dict[str, Any]
) -> None:
    tracking = Tracking(attempt)
    tracking.tags["prefect.flow_run"] = "a-flow-run"
    tracking.begin().result()
    for step in range(2500):
        tracking.put(step, 1_700_000_000_000 + step, {"train/loss": 1 / (step + 1)})
    assert tracking.end("FINISHED") == []
    run = the_run(client, config)
    assert run.info.status == "FINISHED"
    assert run.info.run_name == "lstm many_to_many, seed 0"
    assert run.data.params == flatten(config)
    tags = run.data.tags
    assert (tags["task"], tags["cell"]) == ("pos_tagging", "lstm")
    assert tags["prefect.flow_run"] == "a-flow-run"
    distribution, _, source_hash = tags["plugin.cell.lstm"].split()
    assert distribution == "seqline" and len(source_hash) == 64
    history = client.get_metric_history(run.info.run_id, "train/loss")
    assert [point.step for point in history] == list(range(2500))
    assert history[7].timestamp == 1_700_000_000_007


def test_a_failed_run_says_why(
    client: MlflowClient, attempt: Attempt, config: dict[str, Any]
) -> None:
    tracking = Tracking(attempt)
    tracking.begin().result()
    tracking.end("FAILED", "OSError: no space left")
    run = the_run(client, config)
    assert run.info.status == "FAILED"
    assert run.data.tags["failure"] == "OSError: no space left"


def test_a_run_that_failed_before_it_began_says_why_too(
    client: MlflowClient, attempt: Attempt, config: dict[str, Any]
) -> None:
    tracking = Tracking(attempt)
    tracking.later(lambda run: run).exception()  # the store is open now
    tracking.end("FAILED", "OSError: no space left")
    assert the_run(client, config).info.status == "FAILED"


def test_a_refused_run_leaves_nothing_in_the_store(
    client: MlflowClient, attempt: Attempt, config: dict[str, Any]
) -> None:
    Tracking(attempt).end("FAILED", "no such file", refused=True)
    assert runs_of(client, config) == []


def test_a_killed_run_does_not_wait_for_what_is_under_way(
    client: MlflowClient, attempt: Attempt, config: dict[str, Any]
) -> None:
    tracking = Tracking(attempt)
    tracking.begin().result()
    under_way, never = threading.Event(), threading.Event()
    tracking.later(lambda run: (under_way.set(), never.wait(30)))
    under_way.wait(5)
    waiting = tracking.later(lambda run: run.tag(late="yes"))
    started = time.monotonic()
    tracking.end("KILLED", "KeyboardInterrupt")
    assert time.monotonic() - started < 5
    never.set()
    with pytest.raises(BaseException):  # noqa: B017  (cancelled, which is no Exception)
        waiting.result(5)
    run = the_run(client, config)
    assert run.info.status == "KILLED" and "late" not in run.data.tags


def test_a_point_the_store_refuses_does_not_end_the_run_but_is_said(
    client: MlflowClient, attempt: Attempt, config: dict[str, Any]
) -> None:
    tracking = Tracking(attempt)
    tracking.begin().result()
    tracking.put(1, 1_700_000_000_000, {"not a/valid key!": 1.0})
    (warning,) = tracking.end("FINISHED")
    assert warning.startswith("1 figures could not be sent to MLflow")
    assert the_run(client, config).info.status == "FINISHED"


def test_an_action_that_fails_is_a_failure_of_the_service(
    client: MlflowClient, attempt: Attempt, config: dict[str, Any], tmp_path: Path
) -> None:
    tracking = Tracking(attempt)
    tracking.begin()
    lost = tracking.later(lambda run: run.client.log_artifact(run.run_id, str(tmp_path / "none")))
    with pytest.raises(ServiceError, match="MLflow, sqlite:"):
        lost.result()
    tracking.end("FAILED", "the artifact")
    assert the_run(client, config).info.status == "FAILED"


def test_a_full_disk_is_said_in_one_line(
    client: MlflowClient, attempt: Attempt, config: dict[str, Any]
) -> None:
    def fail(run: TrackedRun) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    tracking = Tracking(attempt)
    tracking.begin()
    with pytest.raises(ServiceError, match="the disk is full while writing to sqlite:"):
        tracking.later(fail).result()
    tracking.end("FAILED", "the disk")


@pytest.fixture
def small_disk(tmp_path: Path, store_home: Home) -> Iterator[Home]:
    """A home on a disk of 8 MiB; skipped where none can be mounted."""
    command = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(tmp_path)]
    if shutil.which("mount") is None or subprocess.run(command, check=False).returncode:
        pytest.skip("no disk can be mounted")
    shutil.copyfile(store_home.database, tmp_path / store_home.database.name)
    try:
        yield Home(tmp_path)
    finally:
        subprocess.run(["umount", "--lazy", str(tmp_path)], check=True)


def test_on_a_full_disk_the_run_is_still_told_to_have_failed(
    small_disk: Home, config: dict[str, Any]
) -> None:
    tracking = Tracking(claim(config, small_disk, SilentReporter()))
    tracking.begin().result()
    filling = (small_disk.path / "filling").open("wb", buffering=0)
    with filling, pytest.raises(OSError, match="No space left"):
        while True:
            filling.write(bytes(4096))
    tracking.end("FAILED", "the disk is full")
    run = the_run(MlflowClient(tracking_uri=small_disk.tracking_uri), config)
    assert (run.info.status, run.data.tags["failure"]) == ("FAILED", "the disk is full")


def test_a_store_that_cannot_be_opened_is_said_when_the_run_begins(
    config: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    damaged = tmp_path / "damaged.db"
    damaged.write_bytes(b"this is no database" * 100)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{damaged}")
    tracking = Tracking(claim(config, Home(tmp_path), SilentReporter()))
    with pytest.raises(ServiceError, match=r"damaged\.db"):
        tracking.begin().result()
    assert tracking.end("FAILED") == []


def test_a_deleted_experiment_is_named_with_the_way_to_bring_it_back(
    client: MlflowClient, attempt: Attempt, config: dict[str, Any]
) -> None:
    experiment = client.create_experiment(config["tracking"]["experiment"])
    client.delete_experiment(experiment)
    tracking = Tracking(attempt)
    with pytest.raises(UserError, match=f"mlflow experiments restore -x {experiment}"):
        tracking.begin().result()
    tracking.end("FAILED", refused=True)
    assert client.search_runs([experiment], run_view_type=ViewType.ALL) == []


def test_long_values_are_cut_and_many_parameters_are_all_sent(
    client: MlflowClient, store_home: Home, config: dict[str, Any]
) -> None:
    many = {f"option_{number}": number for number in range(250)}
    longer = {**config, "task": {**config["task"], **many, "long": "x" * 5000}}
    run = TrackedRun(client, claim(longer, store_home, SilentReporter()), {})
    run.end("FINISHED")
    parameters = client.get_run(run.run_id).data.params
    assert len(parameters) == len(flatten(longer)) > 250
    assert parameters["task.long"] == "x" * (LONGEST - 1) + "…"

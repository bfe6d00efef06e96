"""A run continued by a second attempt: the same in the store, its figures once, its model one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mlflow.tracking import MlflowClient

from seqline.cli.main import main
from seqline.home import Home
from seqline.reporter import SilentReporter
from seqline.runs.attempt import Attempt
from seqline.runs.claim import claim
from seqline.runs.record import load, remove
from seqline.tracking.background import Tracking
from seqline.tracking.run import export_of_run
from seqline.tracking.settle import settle_tracking
from seqline.tracking.store import as_default
from seqline_plugins.errors import UserError

NOW = 1_700_000_000_000


@pytest.fixture
def again(attempt: Attempt, config: dict[str, Any], store_home: Home) -> Iterator[Attempt]:
    """A second attempt; the first one's process was killed after two points."""
    first = Tracking(attempt)
    first.begin().result()
    for step in (1, 2):
        first.put(step, NOW + step, {"train/loss": 1 / step})
    first.later(lambda run: run).result()
    attempt.let_be()  # as the system does with the locks of a process that is killed
    made = claim(config, store_home, SilentReporter())
    yield made
    made.let_be()


def points_of(client: MlflowClient, run_id: str) -> list[tuple[int, int, float]]:
    kept = client.get_metric_history(run_id, "train/loss")
    return [(one.step, one.timestamp, one.value) for one in kept]


def test_the_run_is_the_same_and_every_point_is_there_once(
    client: MlflowClient, again: Attempt
) -> None:
    tracking = Tracking(again)
    tracking.begin().result()
    run_id = again.record.run_id
    assert client.get_run(run_id).info.status == "RUNNING"
    for step in (2, 3):  # the second measured again, an hour later
        tracking.put(step, NOW + 3_600_000 + step, {"train/loss": 1 / step})
    assert tracking.end("FINISHED") == []
    (run,) = client.search_runs([again.record.experiment])
    assert (run.info.run_id, run.info.status) == (run_id, "FINISHED")
    assert run.data.tags["attempts"] == "2"
    expected = [(1, NOW + 1, 1.0), (2, NOW + 2, 0.5), (3, NOW + 3_600_003, 1 / 3)]
    assert points_of(client, run_id) == expected


def test_points_that_were_logged_but_not_sent_are_sent(
    client: MlflowClient, again: Attempt
) -> None:
    again.points.add(9, NOW + 9, {"train/loss": 0.25})  # killed between the two
    tracking = Tracking(again)
    tracking.begin().result()
    tracking.end("FINISHED")
    assert points_of(client, again.record.run_id)[-1] == (9, NOW + 9, 0.25)


def test_a_run_killed_before_its_id_was_noted_is_found_by_its_key(
    client: MlflowClient, again: Attempt
) -> None:
    run_id = again.record.run_id
    again.note(run_id=None)
    Tracking(again).begin().result()
    assert again.record.run_id == run_id


def test_a_killed_run_is_marked_by_the_next_who_opens_the_store(
    client: MlflowClient, attempt: Attempt, store_home: Home
) -> None:
    Tracking(attempt).begin().result()
    run_id = attempt.record.run_id
    settle_tracking(store_home, client)
    assert client.get_run(run_id).info.status == "RUNNING"  # it is held, by this process
    attempt.let_be()
    settle_tracking(store_home, client)
    run = client.get_run(run_id)
    assert run.info.status == "KILLED" and "without a word" in run.data.tags["failure"]
    assert load(store_home, attempt.record.key).status == "killed"


@pytest.mark.parametrize("command", [["compare"], ["rollback", "pos_tagging"]])
def test_a_command_that_only_reads_the_store_marks_a_killed_run_too(
    client: MlflowClient,
    attempt: Attempt,
    store_home: Home,
    command: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SEQLINE_HOME", str(store_home.path))
    Tracking(attempt).begin().result()
    attempt.let_be()
    assert main(command) == 2  # there is nothing to compare, and no model
    assert client.get_run(attempt.record.run_id).info.status == "KILLED"


def test_a_run_killed_after_its_end_in_the_store_is_finished(
    client: MlflowClient, attempt: Attempt, store_home: Home
) -> None:
    Tracking(attempt).begin().result()
    client.set_terminated(attempt.record.run_id, "FINISHED")
    attempt.let_be()
    settle_tracking(store_home, client)
    assert load(store_home, attempt.record.key).status == "finished"


def test_a_run_deleted_in_mlflow_is_not_continued(client: MlflowClient, again: Attempt) -> None:
    client.delete_run(again.record.run_id)
    tracking = Tracking(again)
    with pytest.raises(UserError, match="mlflow runs restore"):
        tracking.begin().result()
    tracking.end("FAILED", refused=True)


def test_a_run_has_one_model_and_one_version_however_often_it_is_logged(
    client: MlflowClient, attempt: Attempt, store_home: Home, tmp_path: Path
) -> None:
    from seqline.tracking.models import log_model, register_model

    (tmp_path / "export").mkdir()
    (tmp_path / "export" / "weights").write_text("weights")
    Tracking(attempt).begin().result()
    run_id, experiment = str(attempt.record.run_id), str(attempt.record.experiment)
    begun = client.create_logged_model(experiment, name="toy", source_run_id=run_id)
    with as_default(store_home):
        for _ in range(2):
            model_id = log_model(client, experiment, run_id, "toy", tmp_path / "export", "text", {})
            assert model_id == begun.model_id
            assert register_model(client, "toy", model_id, run_id, "0.9") == "1"
    assert len(client.search_logged_models([experiment])) == 1
    assert [one.model_id for one in client.get_run(run_id).outputs.model_outputs] == [model_id]
    remove(store_home, attempt.record.key)


def test_what_a_server_has_made_twice_is_there_once(
    client: MlflowClient, attempt: Attempt, store_home: Home, tmp_path: Path, monkeypatch
) -> None:
    """As where it went away before it answered, and MLflow's client asked again."""
    from seqline.tracking.models import log_model

    def twice(name: str) -> None:
        once = getattr(MlflowClient, name)

        def made(*given: Any, **options: Any) -> Any:
            once(*given, **options)
            return once(*given, **options)

        monkeypatch.setattr(MlflowClient, name, made)

    twice("create_run")
    twice("create_logged_model")
    (tmp_path / "export").mkdir()
    (tmp_path / "export" / "weights").write_text("weights")
    Tracking(attempt).begin().result()
    run_id, experiment = str(attempt.record.run_id), str(attempt.record.experiment)
    with as_default(store_home):
        for _ in range(2):
            model_id = log_model(client, experiment, run_id, "toy", tmp_path / "export", "text", {})
    assert [one.info.run_id for one in client.search_runs([experiment])] == [run_id]
    assert [one.model_id for one in client.search_logged_models([experiment])] == [model_id]
    remove(store_home, attempt.record.key)


def test_an_export_outside_the_home_is_not_used(
    client: MlflowClient, attempt: Attempt, store_home: Home, tmp_path: Path
) -> None:
    Tracking(attempt).begin().result()
    run_id = str(attempt.record.run_id)
    for place in (tmp_path, store_home.stages / ".." / "..", Path("/etc")):
        client.set_tag(run_id, "export", str(place))
        with pytest.raises(UserError, match="which is not in"):
            export_of_run(store_home, run_id)

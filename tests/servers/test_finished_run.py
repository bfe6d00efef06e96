"""A run beside `seqline ui`, as a person finds it in MLflow and in Prefect."""

from __future__ import annotations

import json
import os
import pickletools
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mlflow.entities import Run
from mlflow.tracking import MlflowClient
from processes import Served

from seqline.cli.main import main
from seqline.exported import load_export


@pytest.fixture
def client(served: Served) -> MlflowClient:
    return MlflowClient(tracking_uri=served.mlflow)


@pytest.fixture
def run(client: MlflowClient, finished: dict[str, Any]) -> Run:
    return client.get_run(finished["run_id"])


def ask(served: Served, what: str, **body: Any) -> Any:
    """Ask Prefect's API."""
    request = urllib.request.Request(
        f"{served.prefect}/api/{what}",
        data=json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def test_the_run_joined_the_server_that_was_up(served: Served, run: Run) -> None:
    flow_runs = {one["id"]: one for one in ask(served, "flow_runs/filter")}
    flow_run = flow_runs[run.data.tags["prefect.flow_run"]]
    assert flow_run["name"] == "pos_tagging: lstm many_to_many, seed 0"
    assert flow_run["state_type"] == "COMPLETED"
    assert run.data.tags["prefect.url"].startswith(served.prefect)
    assert flow_run["id"] in run.data.tags["prefect.url"]


def test_its_four_tasks_have_names_that_a_person_understands(served: Served, run: Run) -> None:
    of_run = {"flow_runs": {"id": {"any_": [run.data.tags["prefect.flow_run"]]}}}
    order = "EXPECTED_START_TIME_ASC"
    names = [one["name"] for one in ask(served, "task_runs/filter", sort=order, **of_run)]
    assert names == [
        "prepare pos_tagging (files)",
        "train lstm, many_to_many",
        "evaluate lstm, many_to_many on test",
        "export lstm, many_to_many",
    ]


def test_its_flow_run_alone_has_the_tag_of_the_run(served: Served, run: Run) -> None:
    own = run.data.tags["prefect.flow_run"]
    of_run = {"flow_runs": {"id": {"any_": [own]}}}
    (flow_run,) = ask(served, "flow_runs/filter", **of_run)
    assert flow_run["tags"] == [f"seqline:{run.data.tags['seqline.run']}"]
    tasks = ask(served, "task_runs/filter", **of_run)
    assert [one["tags"] for one in tasks] == [[]] * 4  # a tag would cost a question a task


def test_the_flow_run_shows_the_figures_and_leads_to_mlflow(
    served: Served, run: Run, finished: dict[str, Any]
) -> None:
    of_run = {"artifacts": {"flow_run_id": {"any_": [run.data.tags["prefect.flow_run"]]}}}
    artifacts = {one["key"]: one["data"] for one in ask(served, "artifacts/filter", **of_run)}
    rows = {row["metric"]: row for row in json.loads(artifacts["result"])}
    assert rows["accuracy"]["test"] == pytest.approx(finished["metrics"]["accuracy"], abs=1e-4)
    assert f"{served.mlflow}/#/experiments/" in artifacts["mlflow-run"]
    assert finished["run_id"] in artifacts["mlflow-run"]


@pytest.mark.debian("g++")
def test_the_run_holds_figures_data_pictures_and_samples(
    client: MlflowClient, run: Run, finished: dict[str, Any]
) -> None:
    assert run.info.status == "FINISHED"
    figures = run.data.metrics
    assert figures["test/primary"] == figures["test/accuracy"] == finished["metrics"]["accuracy"]
    assert figures["test/baseline"] == finished["baseline"]["accuracy"]
    assert figures["model/parameters"] > 0 and figures["throughput/tokens_per_second"] > 0
    tags = run.data.tags
    assert (tags["primary_metric"], tags["primary_direction"]) == ("accuracy", "higher")
    assert tags["train.reused"] == "false" and tags["kernel.architecture"] == "generated"
    assert finished["samples"][0] in tags["mlflow.note.content"]
    (data,) = run.inputs.dataset_inputs
    assert tags["data_digest"].startswith(data.dataset.digest)
    paths = {one.path for one in client.list_artifacts(run.info.run_id, "pictures")}
    assert "pictures/learning_curve.png" in paths and len(paths) > 1


def test_every_point_of_the_history_is_there_once(
    client: MlflowClient, run: Run, finished: dict[str, Any]
) -> None:
    lines = Path(finished["folders"]["train"], "history.jsonl").read_text().splitlines()
    points = [json.loads(line) for line in lines]
    for key in ("train/loss", "validation/accuracy", "validation/loss"):
        kept = [
            (one.step, one.timestamp, one.value)
            for one in client.get_metric_history(run.info.run_id, key)
        ]
        made = [
            (point["step"], point["timestamp_ms"], pytest.approx(point["metrics"][key]))
            for point in points
            if key in point["metrics"]
        ]
        assert kept == made and kept


def test_the_run_predicts_by_its_id(
    served: Served,
    finished: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    text = tmp_path / "text.txt"
    text.write_text("the dog sees a cat .\n")
    monkeypatch.setenv("SEQLINE_HOME", str(served.home))
    said = []
    for model in (finished["run_id"], finished["run_id"][:8], finished["export"]):
        assert main(["predict", model, str(text)]) == 0
        said.append(capsys.readouterr().out)
    assert said[0] == said[1] == said[2]
    assert [pair.split("/")[0] for pair in said[0].split()] == [
        "the",
        "dog",
        "sees",
        "a",
        "cat",
        ".",
    ]


@pytest.fixture
def the_store(served: Served, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    import mlflow

    mlflow.set_tracking_uri(served.mlflow)
    yield
    mlflow.set_tracking_uri(None)
    os.environ.pop("MLFLOW_TRACKING_URI", None)


@pytest.mark.usefixtures("the_store")
def test_the_registered_model_answers_as_the_export_does(finished: dict[str, Any]) -> None:
    import mlflow.pyfunc
    import pandas

    assert finished["registered"] == "pos_tagging 1"
    version = mlflow.MlflowClient().get_model_version("pos_tagging", "1")
    name = "lstm many_to_many, max_epochs 2, hidden_size 8, seed 0"
    wanted = f"{name}: test accuracy {finished['metrics']['accuracy']:.4f}"
    assert version.description.startswith(wanted)
    model = mlflow.pyfunc.load_model("models:/pos_tagging/1")
    lines = ["the dog sees a cat .", "run !"]
    answers = model.predict(pandas.DataFrame({"text": lines}))["labels"]
    expected = load_export(Path(finished["export"])).predict_lines(lines)
    assert [answer.split(" ") for answer in answers] == expected


@pytest.mark.usefixtures("the_store")
def test_the_model_brings_code_signature_example_and_requirements_and_no_pickle(
    finished: dict[str, Any], tmp_path: Path
) -> None:
    import mlflow.artifacts
    from mlflow.models import Model

    place = mlflow.artifacts.download_artifacts("models:/pos_tagging/1", dst_path=str(tmp_path))
    described = Model.load(place)
    assert described.signature.inputs.input_names() == ["text"]
    assert described.run_id == finished["run_id"]
    files = {path.name: path for path in Path(place).rglob("*") if path.is_file()}
    assert {"served_model.py", "input_example.json", "weights.safetensors"} <= set(files)
    requirements = files["requirements.txt"].read_text()
    assert "seqline==" in requirements and "torch==" in requirements
    for path in files.values():
        with pytest.raises(Exception):  # noqa: B017  (whatever says: this is no pickle)
            list(pickletools.genops(path.read_bytes()))

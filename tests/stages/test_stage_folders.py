"""A stage's folder: named by its digest, whole or not there, made once, remade when it must be."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from seqline import provenance
from seqline.config.compose import compose
from seqline.digest import digest_of
from seqline.home import Home
from seqline.reporter import SilentReporter
from seqline.stages.folder import Workspace, make_stage

NAMES = ["prepare", "train", "evaluate", "export"]


def stage(home: Home, make: Any, fresh: bool = False, **ingredients: Any) -> Any:
    return make_stage("demo", ingredients, make, Workspace(home, SilentReporter(), fresh))


def everything_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_a_stage_is_made_once_for_one_set_of_ingredients(tmp_path: Path) -> None:
    home, made = Home(tmp_path), []

    def make(folder: Path) -> None:
        made.append(folder)
        (folder / "result").write_text(str(len(made)))

    first, again = stage(home, make, a=1, b=2), stage(home, make, b=2, a=1)
    assert (first.reused, again.reused) == (False, True)
    assert first.folder == again.folder == home.stages / f"demo-{first.digest[:16]}"
    other = stage(home, make, a=1, b=3)
    assert other.folder != first.folder and len(made) == 2
    ingredients = json.loads((first.folder / "ingredients.json").read_text())
    assert ingredients == {"stage": "demo", "a": 1, "b": 2}


def test_fresh_makes_it_again_in_the_same_place(tmp_path: Path) -> None:
    home, made = Home(tmp_path), []

    def make(folder: Path) -> None:
        made.append(folder)
        (folder / f"result{len(made)}").touch()

    first, again = stage(home, make), stage(home, make, fresh=True)
    assert (again.reused, again.folder, len(made)) == (False, first.folder, 2)
    assert everything_in(again.folder) == ["ingredients.json", "result2", "sums.json"]
    assert len(list(home.stages.iterdir())) == 1


@pytest.mark.parametrize("error", [OSError("disk is full"), KeyboardInterrupt(), SystemExit(3)])
def test_a_stage_that_fails_leaves_nothing(tmp_path: Path, error: BaseException) -> None:
    home = Home(tmp_path)

    def fail(folder: Path) -> None:
        (folder / "half").write_text("half")
        raise error

    with pytest.raises(type(error)):
        stage(home, fail)
    assert everything_in(home.stages) == []

    done = stage(home, lambda folder: (folder / "whole").touch())
    with pytest.raises(type(error)):
        stage(home, fail, fresh=True)
    assert everything_in(done.folder) == ["ingredients.json", "sums.json", "whole"]
    assert len(list(home.stages.iterdir())) == 1


def test_a_digest_does_not_hang_on_the_order_of_keys() -> None:
    assert digest_of({"a": 1, "b": {"c": 2, "d": 3}}) == digest_of({"b": {"d": 3, "c": 2}, "a": 1})
    assert digest_of({"a": 1}) != digest_of({"a": "1"})


@pytest.mark.debian("g++")
def test_the_four_stages_leave_what_they_should(first_run) -> None:
    results = first_run.run()
    assert list(results) == NAMES and all(result.reused for result in results.values())
    expected = {
        "prepare": ["encoding/vocabulary.json", "summary.json", "test.json", "train", "validation"],
        "train": ["weights.safetensors", "history.jsonl", "summary.json", "model.txt"],
        "evaluate": [
            "metrics.json",
            "samples.json",
            "samples.md",
            "pictures/confusion.png",
            "predictions.jsonl",
        ],
        "export": ["model/seqline.json", "model/README.md", "model/weights.safetensors"],
    }
    for name, files in expected.items():
        for file in files:
            assert (results[name].folder / file).exists(), f"{name} {file}"
    summary = json.loads((results["train"].folder / "summary.json").read_text())
    assert summary["kernels"] == {"architecture": "generated", "inputs": "generated"}
    metrics = json.loads((results["evaluate"].folder / "metrics.json").read_text())
    assert metrics["metrics"]["accuracy"] > metrics["baseline"]["accuracy"] / 2
    assert not first_run.home.checkpoints.exists() or not list(first_run.home.checkpoints.iterdir())
    assert not list(first_run.home.stages.glob(".*"))


def test_the_same_again_makes_nothing(pipeline) -> None:
    assert pipeline.made_anew() == []


def test_what_changes_nothing_in_the_result_makes_nothing_in_training(pipeline) -> None:
    changed = pipeline.made_anew(trainer={"checkpoint_minutes": 9.0})
    assert not {"prepare", "train", "evaluate"} & set(changed)


def test_a_commit_in_the_working_directory_makes_nothing(
    pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    export = sys.modules["seqline.stages.export"]
    monkeypatch.setattr(export, "git_commit", lambda: "another")
    assert pipeline.made_anew() == []
    anew = pipeline.run(fresh=True)["export"].folder / "model"
    assert json.loads((anew / "seqline.json").read_text())["git_commit"] == "another"


def test_a_changed_data_file_makes_all_anew(pipeline) -> None:
    path = pipeline.data / "train.conllu"
    path.write_text(path.read_text() + "1\tnew\t_\tNOUN\t_\t_\t_\t_\t_\t_\n\n")
    assert pipeline.made_anew() == NAMES


def test_moved_data_of_the_same_bytes_are_the_same(pipeline) -> None:
    moved = pipeline.data / "moved.conllu"
    (pipeline.data / "train.conllu").rename(moved)
    changed = pipeline.made_anew(data={"train": str(moved)})
    assert not {"prepare", "train", "evaluate"} & set(changed)


@pytest.mark.parametrize(
    "changes",
    [{"trainer": {"lr": 0.01}}, {"trainer": {"seed": 1}}, {"loss": {"label_smoothing": 0.1}}],
)
def test_a_changed_training_leaves_the_data(pipeline, changes: dict[str, Any]) -> None:
    assert pipeline.made_anew(**changes) == ["train", "evaluate", "export"]


@pytest.mark.parametrize(
    ("module", "anew"),
    [
        ("seqline_tasks.pos_tagging.scoring", ["evaluate", "export"]),
        ("seqline_tasks.pos_tagging.samples", ["evaluate", "export"]),
        ("seqline_tasks.heads.softmax", ["train", "evaluate", "export"]),
        ("seqline_plugins.cells.lstm", ["train", "evaluate", "export"]),
        ("seqline_plugins.recurrence.vendor", ["train", "evaluate", "export"]),
        ("seqline_plugins.recurrence.generated.source", ["train", "evaluate", "export"]),
        ("seqline.training.loop", ["train", "evaluate", "export"]),
        ("seqline_tasks.data.conllu", NAMES),
    ],
)
def test_a_changed_source_makes_anew_what_it_determines(
    pipeline, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, module: str, anew: list[str]
) -> None:
    path_of = provenance._path_of
    changed = tmp_path / "changed.py"
    changed.write_text(Path(path_of(module)).read_text() + "\nCHANGED = True\n")
    monkeypatch.setattr(
        provenance, "_path_of", lambda name: changed if name == module else path_of(name)
    )
    provenance.hash_of_module.cache_clear()
    try:
        assert pipeline.made_anew() == anew
    finally:
        provenance.hash_of_module.cache_clear()


def test_the_source_of_a_plugin_from_another_package_counts_as_ours_does(
    pipeline, install: Any
) -> None:
    source = "from seqline_plugins.cells.gru import GRU\nclass Cell(GRU):\n    pass\n"
    module = install("theirs", source, cells={"theirs": "theirs:Cell"}) / "theirs.py"
    config = compose(["cell=theirs"])
    theirs = {
        "cell": config["cell"],
        "architecture": {"cell": config["architecture"]["cell"]},
    }
    made = []
    for text in (source, source, source + "CHANGED = True\n", source):
        module.write_text(text)
        provenance.hash_of_module.cache_clear()
        provenance._read.cache_clear()
        made.append(pipeline.made_anew(**theirs))
    assert made == [NAMES[1:], [], NAMES[1:], []]


def test_fresh_repeats_every_stage(pipeline) -> None:
    results = pipeline.run(fresh=True)
    assert not any(result.reused for result in results.values())
    assert pipeline.made_anew() == []


def test_two_runs_of_one_seed_are_the_same_to_the_bit(pipeline) -> None:
    before = pipeline.run()
    weights = (before["train"].folder / "weights.safetensors").read_bytes()
    figures = json.loads((before["evaluate"].folder / "metrics.json").read_text())
    after = pipeline.run(fresh=True)
    assert (after["train"].folder / "weights.safetensors").read_bytes() == weights
    assert json.loads((after["evaluate"].folder / "metrics.json").read_text()) == figures


def test_a_training_that_fails_leaves_no_folder(pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    from seqline.training.loop import Training

    def fail(self: Training) -> None:
        raise OSError(28, "No space left on device")

    before = everything_in(pipeline.home.stages)
    monkeypatch.setattr(Training, "run", fail)
    with pytest.raises(OSError, match="No space left"):
        pipeline.run(trainer={"seed": 5})
    assert everything_in(pipeline.home.stages) == before


def test_warnings_of_the_data_are_told_again_when_reused(pipeline) -> None:
    pipeline.run(data={"test": pipeline.config["data"]["train"]}, trainer={"max_epochs": 1})
    first = list(pipeline.notes.warned)
    assert any("training data too" in warning for warning in first)
    pipeline.notes.warned.clear()
    pipeline.run(data={"test": pipeline.config["data"]["train"]}, trainer={"max_epochs": 1})
    assert pipeline.notes.warned == first


def test_the_summary_of_the_model_is_shown_and_kept(pipeline) -> None:
    results = pipeline.run(trainer={"seed": 3})
    text = (results["train"].folder / "model.txt").read_text()
    assert "LSTM 4 × (8×" in text and text.rstrip() in pipeline.notes.said
    total = json.loads((results["train"].folder / "summary.json").read_text())["parameters"]
    assert text.splitlines()[-1].split() == ["total", f"{total:,}"]

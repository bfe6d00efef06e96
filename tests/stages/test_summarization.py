"""Summarization through the four stages: copied, shown at validations, compared, used."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from toy_translation import pairs

from seqline import stages
from seqline.comparison.bootstrap import compare_runs
from seqline.config.compose import compose
from seqline.exported import load_export
from seqline.home import Home
from seqline.reporter import SilentReporter
from seqline.stages import Workspace
from seqline.training.loop import Watchers

SMALL = [
    "task=summarization",
    "architecture=encoder_decoder",
    "cell=gru",
    "data=files",
    "task.embedding.size=24",
    "task.max_length=20",
    "architecture.hidden_size=32",
    "architecture.attention=additive",
    "architecture.copy=true",
    "loss.coverage=0.2",
    "loss.scheduled_sampling=0.1",
    "trainer.max_epochs=6",
    "trainer.batch_tokens=400",
    "trainer.lr=0.01",
    "trainer.validate_every=3",
    "trainer.device=cpu",
    "trainer.threads=1",
    "decode.beam=2",
]


def write_texts(folder: Path) -> list[str]:
    overrides = []
    for seed, (name, count) in enumerate((("train", 200), ("validation", 12), ("test", 12))):
        made = pairs(count * 3, seed)
        rows = [
            {"source": [made[at][0], made[at + 1][0], made[at + 2][0]], "target": made[at][0][:-1]}
            for at in range(0, len(made), 3)
        ]
        path = folder / f"{name}.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        overrides.append(f"data.{name}={path}")
    return overrides


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("summaries")
    config = compose([*SMALL, *write_texts(folder)])
    home = Home(folder / "home")
    given = (config, Workspace(home, SilentReporter()))
    prepared = stages.prepare(*given)
    trained = stages.train(*given, prepared, Watchers(SilentReporter(), home.checkpoints / "run"))
    evaluated = stages.evaluate(*given, prepared, trained)
    exported = stages.export(*given, prepared, trained, evaluated)
    greedy = {**config, "decode": {**config["decode"], "beam": 1}}
    other = stages.evaluate(greedy, given[1], prepared, trained)
    second = stages.export(greedy, given[1], prepared, trained, other)
    return {
        "home": home,
        "prepared": prepared.folder,
        "trained": trained.folder,
        "evaluated": evaluated.folder,
        "exported": exported.folder / "model",
        "second": second.folder / "model",
    }


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def test_figures_and_baseline_stand_side_by_side(run: dict[str, Any]) -> None:
    results = read(run["evaluated"] / "metrics.json")
    figures = results["metrics"]
    assert set(results["baseline"]) == {"rouge_1", "rouge_2", "rouge_l"}
    assert figures["rouge_l"] > 50
    assert 0 <= figures["first_sentence"] <= 1 and 0 <= figures["copied"] <= 1
    assert "refs:best" in results["signatures"]["rouge_l"]
    table = read(run["evaluated"] / "tables" / "copied.json")
    assert [row["n"] for row in table] == [1, 2, 3, 4]


def test_long_texts_are_cut_and_counted(run: dict[str, Any]) -> None:
    warnings = read(run["prepared"] / "summary.json")["warnings"]
    assert any("have more than 20 pieces and are cut there" in one for one in warnings)


def test_validations_leave_samples_and_pictures_of_attention(run: dict[str, Any]) -> None:
    shown = sorted((run["trained"] / "validations").iterdir())
    assert len(shown) == 2
    for folder in shown:
        text = (folder / "samples.md").read_text(encoding="utf-8")
        assert "source" in text and "reference" in text and "written" in text
        assert (folder / "attention-1.png").read_bytes()[:4] == b"\x89PNG"
    assert (run["evaluated"] / "pictures" / "samples" / "attention-6.png").is_file()


def test_two_runs_are_compared_from_what_they_left(run: dict[str, Any]) -> None:
    found = compare_runs(run["home"], run["exported"], run["second"], draws=50)
    results = read(run["evaluated"] / "metrics.json")["metrics"]
    assert found.metric == "rouge_l" and found.examples == 12
    assert found.first == pytest.approx(results["rouge_l"])


def test_several_answers_come_in_order_a_line_each(run: dict[str, Any]) -> None:
    both = load_export(run["exported"], ["decode.n_best=2"])
    text = pairs(3, seed=2)[0][0]
    lines = both.predict_text([text, "", text], "input").split("\n")[:-1]
    assert len(lines) == 6 and lines[:2] == lines[4:] and lines[2:4] == ["", ""]
    alone = load_export(run["exported"]).predict_text([text], "input").rstrip("\n")
    assert lines[0] == alone != lines[1]


def test_a_line_is_cut_into_sentences_only_when_asked(run: dict[str, Any]) -> None:
    one, two = (source.capitalize() for source, _ in pairs(2, seed=2))
    apart = load_export(run["exported"], ["decode.split_sentences=true"])
    whole = load_export(run["exported"])
    said = apart.predict_text([f"{one} {two}", ""], "input").split("\n")
    each = [whole.predict_text([part], "input").rstrip("\n") for part in (one, two)]
    assert said[0] == " ".join(each) and said[1] == ""
    assert whole.predict_text([f"{one} {two}"], "input").rstrip("\n") != said[0]

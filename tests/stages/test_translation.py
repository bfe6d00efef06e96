"""Translation through the four stages: learned, scored on plain text, exported, used."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from toy_translation import pairs, write_pairs

from seqline import stages
from seqline.config.compose import compose
from seqline.exported import Predictor, load_export
from seqline.home import Home
from seqline.model import build_model
from seqline.reporter import SilentReporter
from seqline.stages import StageResult, Workspace
from seqline.training.checkpoint import load_checkpoint, save_checkpoint
from seqline.training.loop import Watchers
from seqline_plugins.errors import UserError

CHOICES = ["task=translation", "architecture=encoder_decoder", "cell=gru"]
SMALL = [
    "task.embedding.size=32",
    "task.embedding.tied=all",
    "task.subwords.joint=true",
    "architecture.hidden_size=48",
    "architecture.input_dropout=0",
    "architecture.output_dropout=0",
    "trainer.max_epochs=12",
    "trainer.batch_tokens=200",
    "trainer.lr=0.01",
    "trainer.validate_every=4",
    "trainer.device=cpu",
    "trainer.threads=1",
    "decode.beam=2",
]


class Run:
    def __init__(self, folder: Path, *more: str) -> None:
        (folder / "data").mkdir(parents=True)
        self.config = compose([*CHOICES, *write_pairs(folder / "data"), *SMALL, *more])
        home = Home(folder / "home")
        self.given = (self.config, Workspace(home, SilentReporter()))
        self.prepared = stages.prepare(*self.given)
        watchers = Watchers(SilentReporter(), home.checkpoints / "run")
        self.trained = stages.train(*self.given, self.prepared, watchers)
        self.evaluated = self.evaluate(self.config)
        done = (self.prepared, self.trained, self.evaluated)
        self.exported = stages.export(*self.given, *done)

    def evaluate(self, config: dict[str, Any]) -> StageResult:
        return stages.evaluate(config, self.given[1], self.prepared, self.trained)

    @property
    def results(self) -> dict[str, Any]:
        return json.loads((self.evaluated.folder / "metrics.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    torch.set_num_threads(1)
    return Run(tmp_path_factory.mktemp("translation"))


@pytest.fixture(scope="module")
def predictor(run: Run) -> Predictor:
    return load_export(run.exported.folder)


def test_a_small_language_is_learned(run: Run) -> None:
    figures = run.results["metrics"]
    assert figures["bleu"] > 80 > run.results["baseline"]["bleu"]
    assert figures["chrf"] > 80
    assert 1 <= figures["perplexity"] < 1.5
    assert figures["length_ratio"] == pytest.approx(1, abs=0.1)


def test_the_figures_are_sacrebleus_own_on_plain_text(run: Run) -> None:
    import sacrebleu

    lines = (run.evaluated.folder / "predictions.jsonl").read_text(encoding="utf-8").splitlines()
    written = [json.loads(line)[0] for line in lines]
    references = [target for _, target in pairs(20, seed=2)]
    bleu = sacrebleu.corpus_bleu(written, [references], force=True)
    assert run.results["metrics"]["bleu"] == pytest.approx(bleu.score)
    signature = run.results["signatures"]["bleu"]
    assert "case:mixed" in signature and "tok:13a" in signature and "smooth:exp" in signature


def test_text_is_translated_line_by_line_in_order(predictor: Predictor) -> None:
    sentences = [source for source, _ in pairs(6, seed=2)]
    text = predictor.predict_text([sentences[0], "", *sentences[1:], "   "], "input")
    lines = text.split("\n")[:-1]
    alone = [predictor.predict_text([one], "input").rstrip("\n") for one in sentences]
    assert lines == [alone[0], "", *alone[1:], ""]


@pytest.mark.parametrize("line", ["😀 ☃ 漢字", "שלום עולם", "cat " * 1250, "."])
def test_strange_lines_become_something_and_end(predictor: Predictor, line: str) -> None:
    assert predictor.predict_text([line], "input").count("\n") == 1


def test_an_exported_model_writes_as_it_is_told(run: Run) -> None:
    short = load_export(run.exported.folder, ["decode.max_length=2"])
    assert len(short.predict_lines(["the dog sees a cat."])[0][0].split()) <= 2
    for override, said in (
        ("decode.beam=0", "decode.beam: found 0"),
        ("decode.bream=2", "decode.bream"),
        ("architecture.hidden_size=3", "cannot be changed"),
    ):
        with pytest.raises(UserError, match=said):
            load_export(run.exported.folder, [override])


def test_how_sentences_are_written_retrains_nothing(run: Run) -> None:
    config = {**run.config, "decode": {**run.config["decode"], "beam": 1}}
    evaluated = run.evaluate(config)
    assert not evaluated.reused
    watchers = Watchers(SilentReporter(), run.given[1].home.checkpoints / "other")
    assert stages.train(config, run.given[1], run.prepared, watchers).reused


def test_tied_vectors_are_one_weight_also_after_a_checkpoint(run: Run, tmp_path: Path) -> None:
    from seqline_tasks.text_to_text.encoding import PairEncoding

    encoding = PairEncoding.load(run.prepared.folder / "encoding")
    model: Any = build_model(run.config, encoding)
    tied = model.inputs.source.weight
    assert model.inputs.target.weight is tied and model.head.softmax.scores.weight is tied
    path = save_checkpoint(tmp_path, 1, model.state_dict(), {})
    other: Any = build_model(run.config, encoding)
    other.load_state_dict(load_checkpoint(path)[0])
    assert torch.equal(other.head.softmax.scores.weight, tied)
    assert other.head.softmax.scores.weight is other.inputs.source.weight


def test_long_pairs_are_left_out_of_training_and_counted(tmp_path: Path) -> None:
    run = Run(tmp_path, "task.max_length=6", "trainer.max_epochs=1")
    summary = json.loads((run.prepared.folder / "summary.json").read_text(encoding="utf-8"))
    assert summary["splits"]["train"]["examples"] < 300
    assert summary["splits"]["test"]["examples"] == 20
    assert "of 300 training pairs" in summary["warnings"][0]


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("decode.beam=0", "decode.beam: found 0, expected a whole number, at least 1"),
        ("architecture=many_to_many", "architecture=many_to_many does not fit task=translation"),
        ("task.subwords.joint=false", "subwords.joint=true"),
        ("architecture.attention=dot", "architecture.decoder.hidden_size"),
        ("architecture.attention=luong", "architecture.attention: found 'luong', expected one of"),
    ],
)
def test_what_does_not_fit_is_refused_when_composed(override: str, said: str) -> None:
    small = [line for line in SMALL if line.startswith("task")]
    with pytest.raises(UserError, match=said):
        compose([*CHOICES, *small, override])

"""A tagger small enough to train within a test."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from toy_language import sentences

from seqline.config.compose import compose
from seqline.model import build_model
from seqline.reporter import SilentReporter
from seqline.stages.train import make_accelerator, primary_metric
from seqline.training.loop import Training, Watchers
from seqline_plugins.build import build_task

SIZES = [
    "task.words.size=6",
    "task.affixes.size=2",
    "task.affixes.longest=2",
    "task.shape.size=2",
    "task.characters.size=3",
    "task.characters.hidden_size=3",
    "architecture.hidden_size=5",
    "trainer.batch_size=8",
    "trainer.device=cpu",
]
MakeTraining = Callable[..., Training]


@pytest.fixture(scope="session")
def composed() -> dict[str, Any]:
    """The configuration of a tiny tagger."""
    return compose(SIZES)


@pytest.fixture
def make_training(composed: dict[str, Any], tmp_path: Path) -> MakeTraining:
    """Make a training: make_training(max_steps=3, seed=1) with keys of the section `trainer`."""

    def make(
        *,
        on_metrics: Any = None,
        double: bool = False,
        dropout: bool = True,
        causal: bool = False,
        primary: str | None = None,
        checkpoints: Path | None = None,
        scores: Any = None,
        **trainer: Any,
    ) -> Training:
        from accelerate.state import AcceleratorState

        AcceleratorState._reset_state(reset_partial_state=True)  # a process has one precision
        config = copy.deepcopy(composed)
        config["trainer"] |= {"max_epochs": None, "max_steps": None, **trainer}
        config["metrics"]["primary"] = primary
        if not dropout:
            config["architecture"] |= {"input_dropout": 0.0, "output_dropout": 0.0}
            config["task"]["words"]["dropout"] = 0.0
        config["architecture"]["bidirectional"] = not causal
        task = build_task(config["task"])
        train, validation = sentences(40), sentences(12, seed=1)
        encoding = task.encoding.build(train, task.config)
        splits = {"train": encoding.encode(train), "validation": encoding.encode(validation)}
        accelerator = make_accelerator(config["trainer"])
        folder = checkpoints or tmp_path / "checkpoints"
        model = build_model(config, encoding)
        return Training(
            model.double() if double else model,
            splits,
            config["trainer"],
            metrics=scores or (lambda: task.scoring(task.config, encoding)),
            primary=primary_metric(task, config),
            accelerator=accelerator,
            watchers=Watchers(SilentReporter(), folder, on_metrics),
        )

    return make

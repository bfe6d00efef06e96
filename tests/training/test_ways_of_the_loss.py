"""The loss propagated back step by step, sequence by sequence or at once: one gradient."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from toy_translation import pairs

from seqline.config.compose import compose
from seqline.model import build_model
from seqline.reporter import SilentReporter
from seqline.stages.train import make_accelerator, primary_metric
from seqline.training.batches import Portion
from seqline.training.loop import Training, Watchers
from seqline_plugins.build import build_task
from seqline_plugins.errors import UserError

Gradient = dict[str, torch.Tensor]


def gradient(tmp_path: Any, *overrides: str, rows: tuple[int, ...] = (0, 1, 2, 3)) -> Gradient:
    from accelerate.state import AcceleratorState

    AcceleratorState._reset_state(reset_partial_state=True)
    config = compose(
        [
            "task=translation",
            "architecture=encoder_decoder",
            "cell=lstm",
            "cell@architecture.decoder.cell=gru",
            "architecture.hidden_size=5",
            "task.embedding.size=4",
            "trainer.device=cpu",
            "architecture.input_dropout=0",
            "architecture.output_dropout=0",
            *overrides,
        ]
    )
    task = build_task(config["task"])
    examples = [{"source": source, "target": target} for source, target in pairs(12)]
    encoding = task.encoding.build(examples, task.config)
    split = encoding.encode(examples)
    accelerator = make_accelerator(config["trainer"])
    training = Training(
        build_model(config, encoding).double(),
        {"train": split, "validation": split},
        config["trainer"],
        metrics=lambda: task.scoring(task.config, encoding),
        primary=primary_metric(task, config),
        accelerator=accelerator,
        watchers=Watchers(SilentReporter(), tmp_path / "checkpoints"),
        loss=config["loss"],
    )
    training._gradient([Portion(rows)])
    named = training.model.named_parameters()
    return {name: p.grad.clone() for name, p in named if p.grad is not None}


@pytest.mark.parametrize("way", ["step", "sequence"])
@pytest.mark.parametrize("feeding", ["false", "true"])
@pytest.mark.parametrize("smoothing", ["0", "0.1"])
def test_every_way_gives_the_same_gradient(
    tmp_path: Any, way: str, feeding: str, smoothing: str
) -> None:
    same = [f"architecture.input_feeding={feeding}", f"loss.label_smoothing={smoothing}"]
    at_once = gradient(tmp_path, *same)
    apart = gradient(tmp_path, *same, f"loss.backward={way}")
    assert at_once.keys() == apart.keys()
    assert float(at_once["inputs.source.weight"].abs().max()) > 0
    for name, wanted in at_once.items():
        torch.testing.assert_close(apart[name], wanted, atol=1e-10, rtol=0)


def test_the_divisor_is_the_targets_the_sequences_or_nothing(tmp_path: Any) -> None:
    found = {
        way: gradient(tmp_path, f"loss.normalize={way}") for way in ("tokens", "sequences", "none")
    }
    name = "head.softmax.scores.bias"
    of_none = found["none"][name]
    torch.testing.assert_close(found["sequences"][name] * 4, of_none, atol=1e-12, rtol=0)
    ratio = (of_none / found["tokens"][name]).flatten()
    targets = ratio[ratio.isfinite()].median()
    assert float(targets) == pytest.approx(round(float(targets)), abs=1e-9) and targets > 20


def test_other_ways_are_refused() -> None:
    with pytest.raises(UserError, match=r"loss.backward: found 'steps', expected one of step"):
        compose(["loss.backward=steps"])

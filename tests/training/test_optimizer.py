"""The learning rate over time, the optimizers, the running average of the weights."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import nn

from seqline.training.averaging import running_average
from seqline.training.optimizer import learning_rate, make_optimizer


def rate(step: int, progress: float, **trainer: Any) -> float:
    given = {"lr": 0.5, "warmup_steps": 0, "schedule": "constant", **trainer}
    return learning_rate(given, step, progress)


@pytest.mark.parametrize(
    ("schedule", "begin", "quarter", "middle", "end"),
    [
        ("constant", 0.5, 0.5, 0.5, 0.5),
        ("linear", 0.5, 0.375, 0.25, 0.0),
        ("cosine", 0.5, 0.25 * (1 + math.cos(math.pi / 4)), 0.25, 0.0),
    ],
)
def test_the_rate_falls_as_the_schedule_says(
    schedule: str, begin: float, quarter: float, middle: float, end: float
) -> None:
    found = [rate(9, done, schedule=schedule) for done in (0.0, 0.25, 0.5, 1.0, 1.7, -0.2)]
    assert found == pytest.approx([begin, quarter, middle, end, end, begin])


def test_warm_up_rises_in_a_line_from_above_zero_to_the_full_rate() -> None:
    assert [rate(step, 0.0, warmup_steps=4) for step in range(6)] == pytest.approx(
        [0.1, 0.2, 0.3, 0.4, 0.5, 0.5]
    )
    assert rate(1, 0.5, warmup_steps=4, schedule="linear") == pytest.approx(0.2 * 0.5)
    assert rate(0, 0.0) == 0.5


TRAINER = {"lr": 0.1, "weight_decay": 0.01, "betas": [0.8, 0.95], "momentum": 0.7}


@pytest.mark.parametrize(
    ("name", "kind"),
    [("adam", torch.optim.Adam), ("adamw", torch.optim.AdamW), ("sgd", torch.optim.SGD)],
)
def test_an_optimizer_gets_its_options(name: str, kind: type) -> None:
    made = make_optimizer(nn.Linear(2, 2).parameters(), {**TRAINER, "optimizer": name})
    assert type(made) is kind
    group = made.param_groups[0]
    assert (group["lr"], group["weight_decay"]) == (0.1, 0.01)
    if name == "sgd":
        assert group["momentum"] == 0.7
    else:
        assert group["betas"] == (0.8, 0.95)


def test_frozen_weights_are_left_alone() -> None:
    layer = nn.Linear(2, 2)
    layer.bias.requires_grad_(False)
    made = make_optimizer(layer.parameters(), {**TRAINER, "optimizer": "adam"})
    assert [len(group["params"]) for group in made.param_groups] == [1]


def test_the_average_follows_its_formula() -> None:
    """a ← d a + (1 − d) w with d = min(decay, (1 + n) / (10 + n)); it starts at the first w."""
    model, decay = nn.Linear(1, 1, bias=False).double(), 0.3
    average = running_average(model, decay)
    wanted = None
    for n, weight in enumerate((4.0, -2.0, 7.0, 1.0, 1.5, 3.0)):
        with torch.no_grad():
            model.weight.fill_(weight)
        average.update_parameters(model)
        d = min(decay, (1 + n) / (10 + n))
        wanted = weight if wanted is None else d * wanted + (1 - d) * weight
        assert average.module.weight.item() == pytest.approx(wanted, abs=1e-12)
    assert d == decay

"""The optimizer and its learning rate over time."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import nn


def make_optimizer(
    parameters: Iterable[nn.Parameter], trainer: Mapping[str, Any]
) -> torch.optim.Optimizer:
    """Return Adam, AdamW or SGD as the `trainer` section says, updating all weights in one pass."""
    given = [parameter for parameter in parameters if parameter.requires_grad]
    fused = all(parameter.device.type in ("cpu", "cuda") for parameter in given)
    rate, decay = trainer["lr"], trainer["weight_decay"]
    if trainer["optimizer"] == "sgd":
        momentum = trainer["momentum"]
        return torch.optim.SGD(given, rate, momentum, weight_decay=decay, fused=fused)
    kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[trainer["optimizer"]]
    betas = (trainer["betas"][0], trainer["betas"][1])
    return kind(given, rate, betas, weight_decay=decay, fused=fused)


def learning_rate(trainer: Mapping[str, Any], step: int, progress: float) -> float:
    """Return the rate of update `step` (from 0), the share `progress` of the training done.

    It rises linearly over `warmup_steps`, then stays, or falls to zero at the end in a line or a
    half cosine.
    """
    warm = min(1.0, (step + 1) / (trainer["warmup_steps"] + 1))
    done = min(1.0, max(0.0, progress))
    falls = {
        "constant": 1.0,
        "linear": 1.0 - done,
        "cosine": 0.5 * (1.0 + math.cos(math.pi * done)),
    }
    return float(trainer["lr"]) * warm * falls[trainer["schedule"]]

"""A running average of the weights, which often scores better than the newest ones."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel


def running_average(model: nn.Module, decay: float) -> AveragedModel:
    """Return a model whose weights follow `model`'s: a ← d a + (1 − d) w, once an update.

    d grows from 0.1 to `decay` over the first updates, so that the first weights, which are
    random, are soon forgotten: d = min(decay, (1 + n) / (10 + n)).
    """

    @torch.no_grad()
    def blend(average: Sequence[Tensor], current: Sequence[Tensor], seen: Tensor | int) -> None:
        n = int(seen)
        share = 1 - min(decay, (1 + n) / (10 + n))
        torch._foreach_lerp_(list(average), list(current), share)

    return AveragedModel(model, multi_avg_fn=blend)

"""Quantiles of numbers, without a distribution assumed.

Letters: B batch, H hidden features, N numbers, Q levels.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn


class Quantiles(nn.Module):
    """z = W h + b for every level q; the loss is max(q (y − z), (q − 1)(y − z)).

    That is the pinball loss (Koenker & Bassett 1978), twice it summed over the levels, so that the
    median's part is the absolute error. Where quantiles are read they are put in order
    (Chernozhukov et al. 2010).
    """

    levels: Tensor

    def __init__(self, input_size: int, numbers: int, levels: Sequence[float]) -> None:
        super().__init__()
        self.register_buffer("levels", torch.tensor(list(levels)), persistent=False)
        self.scores = nn.Linear(input_size, numbers * len(levels))

    def losses(self, hidden: Tensor, targets: Float[Tensor, "*B N"]) -> Float[Tensor, "*B N"]:
        """Return the loss of every number."""
        missed = targets.unsqueeze(-1) - self._scores(hidden)
        return 2 * torch.maximum(self.levels * missed, (self.levels - 1) * missed).sum(dim=-1)

    def forward(self, hidden: Tensor) -> Float[Tensor, "*B N Q"]:
        """Return the quantiles, in order."""
        return self._scores(hidden).sort(dim=-1).values

    def _scores(self, hidden: Tensor) -> Tensor:
        scores = self.scores(hidden)
        wide = scores.to(torch.promote_types(scores.dtype, torch.float32))
        return wide.unflatten(-1, (-1, len(self.levels)))

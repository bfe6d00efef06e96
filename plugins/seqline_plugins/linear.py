"""A linear layer and a softmax whose rows do not depend on each other, in bits.

So it is where no gradient is asked for: what a model writes is then the same whatever it is batched
with. Compiled code serves on a processor; elsewhere the products are torch's over blocks of as many
rows each.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seqline_plugins import steps
from seqline_plugins.recurrence.generated import rows

ROWS = 64
"""Rows of a block; the last one is filled up with zeros."""


class Linear(nn.Linear):
    """y = W x + b."""

    def forward(self, x: Tensor) -> Tensor:
        """Return (…, out) of (…, in)."""
        return product(x, self.weight, self.bias)


def product(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return x Wᵀ + b, (…, I) → (…, O)."""
    if torch.is_grad_enabled():
        loop = steps.together()
        if loop is None or torch.is_autocast_enabled(x.device.type):
            return F.linear(x, weight, bias)
        return steps.linear(x, weight, bias, loop)
    if rows.serves(x, weight, bias):
        return rows.linear(x, weight, bias)
    flat = x.reshape(-1, x.shape[-1])
    missing = -len(flat) % ROWS
    filled = F.pad(flat, (0, 0, 0, missing))
    blocks = [F.linear(block, weight, bias) for block in filled.split(ROWS)]
    done = torch.cat(blocks) if blocks else F.linear(filled, weight, bias)
    return done[: len(flat)].view(*x.shape[:-1], len(weight))


def log_softmax(scores: Tensor) -> Tensor:
    """Return the logarithm of the softmax of each row, (…, C), in float32 at least.

    Without a gradient it may take the scores' place.
    """
    scores = scores.to(torch.promote_types(scores.dtype, torch.float32))
    return rows.log_softmax(scores) if rows.serves(scores) else scores.log_softmax(dim=-1)

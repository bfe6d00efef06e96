"""Writing from the vocabulary or copying from the source: the pointer-generator.

    P(y) = g P_vocabulary(y) + (1 − g) Σ_s a_s [x_s = y]

with attention's weights a over the source's pieces x and the gate g (See et al. 2017, eq. 9).
Letters: B batch, U target steps, S source places, R rows of a search, G inputs, V pieces.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

LEAST = 1e-12
"""What counts as no probability of a copy, so that its logarithm is finite."""


def copied_losses(
    own: Float[Tensor, "B U"],
    gate: Float[Tensor, "B U"],
    weights: Float[Tensor, "B U S"],
    source: Int[Tensor, "B S"],
    target: Int[Tensor, "B U"],
) -> Float[Tensor, "B U"]:
    """Return −log P(target), `own` being −log P_vocabulary and `gate` the log-odds of g."""
    same = source.unsqueeze(1) == target.unsqueeze(-1)
    copied = (weights.to(own.dtype) * same).sum(dim=-1).clamp(min=LEAST).log()
    gate = gate.to(own.dtype)
    return -torch.logaddexp(F.logsigmoid(gate) - own, F.logsigmoid(-gate) + copied)


def with_copies(
    own: Float[Tensor, "R V"],
    gate: Float[Tensor, "R"],
    weights: Float[Tensor, "R S"],
    source: Int[Tensor, "G S"],
) -> Float[Tensor, "R V"]:
    """Return log P of every piece, `own` being log P_vocabulary; R/G rows for each source.

    Only the source's own pieces are other than log g + log P_vocabulary. Their logarithms are taken
    in float64 and rounded, so that they are the same in bits whatever rows stand beside.
    """
    chances = torch.stack([gate, torch.zeros_like(gate)], dim=-1).log_softmax(dim=-1)
    chances = chances.to(own.dtype)
    mixed = own + chances[:, :1]
    pieces = source.repeat_interleave(len(own) // len(source), dim=0)
    summed = torch.zeros_like(own).scatter_add_(1, pieces, weights.to(own.dtype))
    copied = summed.gather(1, pieces).double().clamp(min=LEAST).log() + chances[:, 1:].double()
    both = torch.logaddexp(mixed.gather(1, pieces).double(), copied)
    return mixed.scatter(1, pieces, both.to(own.dtype))


def coverage_losses(weights: Float[Tensor, "B U S"]) -> Float[Tensor, "B U"]:
    """Return Σ_s min(a_ts, Σ a_s of the steps before): looking twice costs (eq. 13)."""
    before = weights.cumsum(dim=1) - weights
    return torch.minimum(weights, before).sum(dim=-1)

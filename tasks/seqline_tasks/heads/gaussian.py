"""A Gaussian over numbers, each with a mean and a spread of its own.

Letters: B batch, H hidden features, N numbers.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import softplus

NARROWEST = 1e-3
"""The smallest spread that is learned: a target hit exactly must not be worth endlessly much."""


class Gaussian(nn.Module):
    """p = N(μ, σ²), μ = W h + b, σ = softplus(V h + c) + 0.001; the loss is −ln p in nats.

    With `spread` σ is that number, and the loss half the squared error and a constant.
    """

    def __init__(self, input_size: int, numbers: int, spread: float | None = None) -> None:
        super().__init__()
        self.mean = nn.Linear(input_size, numbers)
        self.spread = spread
        self.width = nn.Linear(input_size, numbers) if spread is None else None
        if self.width is not None:
            nn.init.constant_(self.width.bias, math.log(math.e - 1))  # σ = 1 to begin with

    def losses(self, hidden: Tensor, targets: Float[Tensor, "*B N"]) -> Float[Tensor, "*B N"]:
        """Return −ln p of every number: ½ ((y − μ) / σ)² + ln σ + ½ ln 2π."""
        mean, spread = self(hidden)
        scaled = (targets - mean) / spread
        return 0.5 * scaled.square() + spread.log() + 0.5 * math.log(2 * math.pi)

    def forward(self, hidden: Tensor) -> tuple[Float[Tensor, "*B N"], Float[Tensor, "*B N"]]:
        """Return the means and the spreads."""
        mean = self.mean(hidden)
        mean = mean.to(torch.promote_types(mean.dtype, torch.float32))
        if self.width is None:
            return mean, torch.full_like(mean, float(self.spread or 1.0))
        return mean, softplus(self.width(hidden).to(mean.dtype)) + NARROWEST

    def quantiles(self, hidden: Tensor, levels: Tensor) -> Float[Tensor, "*B N Q"]:
        """Return where the distribution function reaches each level: μ + σ Φ⁻¹(q)."""
        mean, spread = self(hidden)
        return mean.unsqueeze(-1) + spread.unsqueeze(-1) * torch.special.ndtri(levels)

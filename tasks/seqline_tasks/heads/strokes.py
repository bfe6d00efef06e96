"""Strokes of a pen: where it goes next, and whether it is down, is lifted, or done.

Letters: B batch and time, R rows, H hidden features, M components of the mixture.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

DOWN, UP, END = 0, 1, 2
PENS = 3


class Mixture(NamedTuple):
    """log_shares (*B, M), means and spreads (*B, M, 2), correlations (*B, M), pens (*B, 3)."""

    log_shares: Tensor
    means: Tensor
    spreads: Tensor
    correlations: Tensor
    pens: Tensor


class Strokes(nn.Module):
    """A mixture of M bivariate normals over the offset, and a softmax over the pen's three states.

    Ha & Eck 2017, equations 3 to 10 (after Graves 2013, 23 to 26):
    p(Δx, Δy) = Σ_j Π_j N(Δx, Δy | μ_j, σ_j, ρ_j), σ = `smallest` + exp(σ̂), ρ = tanh(ρ̂).
    Where offsets recur exactly, a σ without a floor would fall, and the density rise, without end.
    """

    def __init__(self, input_size: int, components: int, smallest: float) -> None:
        super().__init__()
        self.components, self.smallest = components, smallest
        self.scores = nn.Linear(input_size, 6 * components + PENS)

    def mixture(self, hidden: Float[Tensor, "*B H"]) -> Mixture:
        """Return the distribution of every step."""
        scores = self.scores(hidden)
        scores = scores.to(torch.promote_types(scores.dtype, torch.float32))
        M = self.components
        shares, means, spreads, correlations, pens = scores.split([M, 2 * M, 2 * M, M, PENS], -1)
        return Mixture(
            shares.log_softmax(-1),
            means.unflatten(-1, (M, 2)),
            self.smallest + spreads.clamp(max=10).exp().unflatten(-1, (M, 2)),
            0.99 * correlations.tanh(),
            pens,
        )

    def losses(
        self, hidden: Float[Tensor, "*B H"], offsets: Float[Tensor, "*B 2"], pens: Tensor
    ) -> tuple[Float[Tensor, "*B"], Float[Tensor, "*B"]]:
        """Return −log p of every offset, and of every pen's state (*B,), in nats."""
        mixture = self.mixture(hidden)
        offset = -log_density(mixture, offsets)
        pen = F.cross_entropy(mixture.pens.movedim(-1, 1), pens, reduction="none")
        return offset, pen

    def predict(self, hidden: Float[Tensor, "*B H"]) -> Float[Tensor, "*B 3"]:
        """Return the mean of the likeliest component and the likeliest state of the pen."""
        mixture = self.mixture(hidden)
        return _joined(_of(mixture.means, mixture.log_shares.argmax(-1)), mixture.pens.argmax(-1))

    def sample(
        self,
        hidden: Float[Tensor, "R H"],
        options: Mapping[str, Any],
        draw: torch.Generator,
    ) -> Float[Tensor, "R 3"]:
        """Return a drawn offset and state of the pen: Δx, Δy, 0 down, 1 lifted, 2 done.

        The temperature τ divides the scores of shares and pen and multiplies σ² (equations 9, 10);
        0 takes the likeliest of both.
        """
        R, tau = len(hidden), options["temperature"]
        uniform = torch.rand(R, 2, generator=draw, device=draw.device).to(hidden.device)
        normal = torch.randn(R, 2, generator=draw, device=draw.device).to(hidden.device)
        if tau == 0:
            return self.predict(hidden)
        mixture = self.mixture(hidden)
        component = _pick(mixture.log_shares / tau, uniform[:, 0])
        pen = _pick(mixture.pens / tau, uniform[:, 1])
        spread = _of(mixture.spreads, component) * math.sqrt(tau)
        rho = mixture.correlations.gather(-1, component.unsqueeze(-1)).squeeze(-1)
        z_x, z_y = normal.to(spread.dtype).unbind(-1)
        turned = torch.stack([z_x, rho * z_x + (1 - rho.square()).sqrt() * z_y], dim=-1)
        return _joined(_of(mixture.means, component) + spread * turned, pen)


def log_density(mixture: Mixture, offsets: Float[Tensor, "*B 2"]) -> Float[Tensor, "*B"]:
    """Return log Σ_j Π_j N(Δx, Δy | μ_j, σ_j, ρ_j) (Graves 2013, equations 24 and 25)."""
    x, y = ((offsets.unsqueeze(-2) - mixture.means) / mixture.spreads).unbind(-1)
    rho = mixture.correlations
    rest = 1 - rho.square()
    z = x.square() + y.square() - 2 * rho * x * y
    scale = math.log(2 * math.pi) + mixture.spreads.log().sum(-1) + rest.log() / 2
    return (mixture.log_shares - z / (2 * rest) - scale).logsumexp(-1)


def _of(values: Tensor, component: Tensor) -> Tensor:
    """Return the two values of each row's component, (*B, 2) from (*B, M, 2)."""
    index = component[..., None, None].expand(*component.shape, 1, 2)
    return values.gather(-2, index).squeeze(-2)


def _pick(scores: Tensor, uniform: Tensor) -> Tensor:
    reached = scores.softmax(-1).cumsum(-1)
    index: Tensor = (reached <= uniform.unsqueeze(-1) * reached[..., -1:]).sum(-1)
    return index.clamp(max=scores.shape[-1] - 1)


def _joined(offset: Tensor, pen: Tensor) -> Tensor:
    return torch.cat([offset, pen.to(offset.dtype).unsqueeze(-1)], dim=-1)

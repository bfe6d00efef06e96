"""Keys of a piano: for each whether it sounds, alone or in a chain where each hears those below.

Letters: B batch and time, N frames, H hidden features, K keys, U units of the chain, P prefixes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

RARE = -3.0
"""What a key's score is at first: few of them sound at once."""


class Keys(nn.Module):
    """Bernoulli for every key: p(v_k) = σ(b_k), b = W h + a.

    With a chain of `units` U it is the NADE of Larochelle & Murray 2011, its biases told by h
    (Boulanger-Lewandowski et al. 2012): p(v_k | v_<k) = σ(b_k + V_k · σ(c + Σ_{j<k} v_j W_j)),
    c = W' h + a'. The loss is −log p in nats, summed over the keys.
    """

    def __init__(self, input_size: int, keys: int, units: int = 0, dropout: float = 0.0) -> None:
        super().__init__()
        self.keys, self.units = keys, units
        self.dropout = nn.Dropout(dropout)
        self.scores = nn.Linear(input_size, keys + units)
        nn.init.constant_(self.scores.bias[:keys], RARE)
        if units:
            self.heard = nn.Parameter(torch.randn(keys, units) * keys**-0.5)
            self.told = nn.Parameter(torch.randn(keys, units) * units**-0.5)

    def losses(
        self, hidden: Float[Tensor, "*B H"], keys: Float[Tensor, "*B K"]
    ) -> Float[Tensor, "*B"]:
        """Return the loss of every frame; `keys` are 1 where one sounds, else 0."""
        scores = self.logits(hidden, keys)
        wide = scores.to(torch.promote_types(scores.dtype, torch.float32))
        return F.binary_cross_entropy_with_logits(wide, keys.to(wide.dtype), reduction="none").sum(
            -1
        )

    def logits(
        self, hidden: Float[Tensor, "*B H"], keys: Float[Tensor, "*B K"]
    ) -> Float[Tensor, "*B K"]:
        """Return log p/(1−p) of every key, in a chain given the keys below it.

        All keys that have as many sounding ones below them hear the same, so the chain is worked
        out once for each number of them and not for each key.
        """
        b, c = self._biases(hidden)
        if not self.units:
            return b
        v = keys.to(b.dtype)
        below = v.cumsum(-1) - v  # sounding keys below each one
        most = int(below.max()) if below.numel() else 0
        prefixes = torch.arange(most + 1, device=v.device, dtype=v.dtype).unsqueeze(-1)
        heard = (v.unsqueeze(-2) * (below.unsqueeze(-2) < prefixes)) @ self.heard
        told = self._told(c.unsqueeze(-2) + heard)  # (*B, P, K)
        return b + told.gather(-2, below.long().unsqueeze(-2)).squeeze(-2)

    def predict(self, hidden: Float[Tensor, "*B H"]) -> Float[Tensor, "*B K"]:
        """Return the likelier of on and off for every key, from the lowest up."""
        half = torch.full((*hidden.shape[:-1], self.keys), 0.5, device=hidden.device)
        return self._from_lowest(hidden, half, 1.0)

    def sample(
        self,
        hidden: Float[Tensor, "R H"],
        options: Mapping[str, Any],
        draw: torch.Generator,
    ) -> Float[Tensor, "R K"]:
        """Return drawn keys, 1 or 0; a temperature of 0 takes the likelier for every key."""
        uniform = torch.rand(len(hidden), self.keys, generator=draw, device=draw.device)
        if options["temperature"] == 0:
            return self.predict(hidden)
        return self._from_lowest(hidden, uniform.to(hidden.device), options["temperature"])

    def _from_lowest(self, hidden: Tensor, uniform: Tensor, temperature: float) -> Tensor:
        b, c = self._biases(hidden)
        if not self.units:
            return (uniform < (b / temperature).sigmoid()).to(b.dtype)
        found = []
        for k in range(self.keys):
            score = b[..., k] + self._told(c, slice(k, k + 1)).squeeze(-1)
            on = (uniform[..., k] < (score / temperature).sigmoid()).to(b.dtype)
            c = c + on.unsqueeze(-1) * self.heard[k]
            found.append(on)
        return torch.stack(found, dim=-1)

    def _biases(self, hidden: Tensor) -> tuple[Tensor, Tensor]:
        scores: Tensor = self.scores(hidden)
        b, c = scores.split([self.keys, self.units], dim=-1)
        return b, c

    def _told(self, heard: Tensor, of: slice = slice(None)) -> Tensor:
        units: Tensor = self.dropout(heard.sigmoid())
        return units @ self.told[of].T

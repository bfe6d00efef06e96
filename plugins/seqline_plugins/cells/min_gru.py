"""The GRU without recurrent matrices."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, sigmoid, where

from seqline_plugins.cell import GatedCell, Timestep
from seqline_plugins.gate import Gate
from seqline_plugins.options import option


@dataclass
class Config:
    """Options of `cell=min_gru`."""

    candidate: str = option(
        "linear",
        "the candidate z itself, or the paper's g(z) > 0: z + 0.5 above 0, σ(z) below",
        choices=("linear", "positive"),
    )


class MinGRU(GatedCell):
    """Gate and candidate read x_t alone, so that h_t is linear in h_{t-1}.

    Feng, Tung, Ahmed, Bengio & Hajimirsadeghi 2024, "Were RNNs all we needed?".
    """

    Config = Config
    gates = (Gate("update", recurrent="none"), Gate("candidate", recurrent="none"))

    def equations(self, t: Timestep) -> dict[str, Tensor]:
        """z = σ(W_z x_t + b_z); h_t = (1 − z) ⊙ h_{t-1} + z ⊙ (W x_t + b)."""
        z = sigmoid(t.x.update)
        n = positive(t.x.candidate) if self.config.candidate == "positive" else t.x.candidate
        return {"h": (1 - z) * t.state.h + z * n}


def positive(z: Tensor) -> Tensor:
    """Return the paper's g(z), above zero everywhere: z + 0.5 for z ≥ 0, σ(z) below."""
    return where(z >= 0, z + 0.5, sigmoid(z))

"""The update gate network."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, sigmoid, tanh

from seqline_plugins.cell import GatedCell, Timestep
from seqline_plugins.gate import Gate
from seqline_plugins.options import option


@dataclass
class Config:
    """Options of `cell=ugrnn`."""

    update_bias: float = option(0.0, "the update gate's bias at the start; above 0 keeps more")


class UGRNN(GatedCell):
    """One gate between the past and a candidate (Collins, Sohl-Dickstein & Sussillo 2017)."""

    Config = Config

    @property
    def gates(self) -> tuple[Gate, ...]:
        """Update and candidate."""
        return Gate("update", bias_init=self.config.update_bias), Gate("candidate")

    def equations(self, t: Timestep) -> dict[str, Tensor]:
        """g = σ(W_g x_t + U_g h + b_g); h_t = g ⊙ h_{t-1} + (1 − g) ⊙ tanh(W x_t + U h + b)."""
        g = sigmoid(t.x.update + t.h.update)
        n = tanh(t.x.candidate + t.h.candidate)
        return {"h": g * t.state.h + (1 - g) * n}

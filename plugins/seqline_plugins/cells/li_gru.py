"""The light gated recurrent unit."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, relu, sigmoid

from seqline_plugins.cell import GatedCell, Timestep
from seqline_plugins.gate import Gate
from seqline_plugins.options import option


@dataclass
class Config:
    """Options of `cell=li_gru`."""

    update_bias: float = option(0.0, "the update gate's bias at the start; above 0 keeps more")


class LiGRU(GatedCell):
    """A GRU without a reset gate, its candidate a relu (Ravanelli, Brakel, Omologo & Bengio 2018).

    The paper's batch normalisation of W x_t is left out: it would make a row depend on its mates.
    """

    Config = Config

    @property
    def gates(self) -> tuple[Gate, ...]:
        """Update and candidate."""
        return Gate("update", bias_init=self.config.update_bias), Gate("candidate")

    def equations(self, t: Timestep) -> dict[str, Tensor]:
        """z = σ(W_z x_t + U_z h + b_z); h_t = z ⊙ h_{t-1} + (1 − z) ⊙ relu(W x_t + U h + b)."""
        z = sigmoid(t.x.update + t.h.update)
        n = relu(t.x.candidate + t.h.candidate)
        return {"h": z * t.state.h + (1 - z) * n}

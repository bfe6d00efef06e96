"""The fast gated network, small enough for a microcontroller."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, sigmoid, tanh

from seqline_plugins.cell import GatedCell, Own, Timestep
from seqline_plugins.gate import Gate
from seqline_plugins.options import option


@dataclass
class Config:
    """Options of `cell=fast_grnn`."""

    zeta: float = option(1.0, "ζ at the start, before its sigmoid; learned")
    nu: float = option(-4.0, "ν at the start, before its sigmoid; learned")


class FastGRNN(GatedCell):
    """Gate and candidate share W and U (Kusupati, Singh, Bhatia, Kumar, Jain & Varma 2018).

    The paper's ζ and ν are numbers; here each unit has its own.
    """

    Config = Config
    gates = (Gate("update"), Gate("candidate", shares="update"))

    @property
    def own(self) -> dict[str, Own]:
        """The candidate's weight beside the past, σ(ζ) (1 − z) + σ(ν)."""
        return {"zeta": Own(init=self.config.zeta), "nu": Own(init=self.config.nu)}

    def equations(self, t: Timestep) -> dict[str, Tensor]:
        """h_t = (σ(ζ) (1 − z) + σ(ν)) ⊙ tanh(W x_t + U h_{t-1} + b_h) + z ⊙ h_{t-1}."""
        z = sigmoid(t.x.update + t.h.update)
        n = tanh(t.x.candidate + t.h.candidate)
        weight = sigmoid(t.own.zeta) * (1 - z) + sigmoid(t.own.nu)
        return {"h": weight * n + z * t.state.h}

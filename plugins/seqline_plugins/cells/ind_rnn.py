"""The independently recurrent network."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, relu, tanh

from seqline_plugins.cell import GatedCell, Timestep
from seqline_plugins.gate import Gate
from seqline_plugins.options import option

NONLINEARITIES = {"relu": relu, "tanh": tanh}


@dataclass
class Config:
    """Options of `cell=ind_rnn`."""

    nonlinearity: str = option("relu", "σ in h = σ(W x + u ⊙ h + b)", choices=("relu", "tanh"))


class IndRNN(GatedCell):
    """Every unit sees the input and its own past alone (Li, Li, Cook, Zhu & Gao 2018)."""

    Config = Config
    gates = (Gate("candidate", recurrent="diagonal"),)

    def equations(self, t: Timestep) -> dict[str, Tensor]:
        """h_t = σ(W x_t + u ⊙ h_{t-1} + b)."""
        f = NONLINEARITIES[self.config.nonlinearity]
        return {"h": f(t.x.candidate + t.h.candidate)}

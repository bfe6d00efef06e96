"""The plain recurrent network."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from seqline_plugins.cell import GatedCell, Timestep
from seqline_plugins.gate import Gate
from seqline_plugins.options import option


@dataclass
class Config:
    """Options of `cell=rnn`."""

    nonlinearity: str = option("tanh", "f in a = f(z)", choices=("tanh", "relu"))
    recurrent_bias: bool = option(False, "a second bias, in the recurrent part, as nn.RNN has")


class RNN(GatedCell):
    """z_t = W_F x_t + W_R a_{t-1} + b, a_t = f(z_t) (Elman 1990)."""

    Config = Config

    @property
    def gates(self) -> tuple[Gate, ...]:
        """One pair of matrices: the candidate activation."""
        return (Gate("candidate", recurrent_bias=self.config.recurrent_bias),)

    @property
    def vendor(self) -> str:
        """`nn.RNN` with the same f."""
        return f"rnn_{self.config.nonlinearity}"

    def equations(self, t: Timestep) -> dict[str, Tensor]:
        """a_t = f(W_F x_t + b + W_R a_{t-1})."""
        f = torch.tanh if self.config.nonlinearity == "tanh" else torch.relu
        return {"h": f(t.x.candidate + t.h.candidate)}

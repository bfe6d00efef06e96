"""The LSTM whose input gate is what its forget gate leaves."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, sigmoid, tanh

from seqline_plugins.cell import GatedCell, Timestep
from seqline_plugins.gate import Gate
from seqline_plugins.options import option


@dataclass
class Config:
    """Options of `cell=cifg`."""

    forget_bias: float = option(1.0, "the forget gate's bias at the start: it opens the gate")


class CIFG(GatedCell):
    """Input and forget gate coupled, i = 1 − f (Greff, Srivastava, Koutník et al. 2017)."""

    Config = Config
    state = ("h", "c")

    @property
    def gates(self) -> tuple[Gate, ...]:
        """Forget, candidate and output."""
        return Gate("forget", bias_init=self.config.forget_bias), Gate("candidate"), Gate("output")

    def equations(self, t: Timestep) -> dict[str, Tensor]:
        """c_t = f ⊙ c_{t-1} + (1 − f) ⊙ g; h_t = o ⊙ tanh(c_t)."""
        f = sigmoid(t.x.forget + t.h.forget)
        g = tanh(t.x.candidate + t.h.candidate)
        o = sigmoid(t.x.output + t.h.output)
        c = f * t.state.c + (1 - f) * g
        return {"h": o * tanh(c), "c": c}

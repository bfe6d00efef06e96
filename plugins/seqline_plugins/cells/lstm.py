"""Long short-term memory."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, sigmoid, tanh

from seqline_plugins.cell import GatedCell, Timestep
from seqline_plugins.gate import Gate
from seqline_plugins.options import option


@dataclass
class Config:
    """Options of `cell=lstm`."""

    recurrent_bias: bool = option(False, "a second bias a gate, as nn.LSTM has")
    forget_bias: float = option(1.0, "the forget gate's bias at the start: it opens the gate")


class LSTM(GatedCell):
    """A cell state c, kept by the constant error carousel, and three gates.

    Hochreiter & Schmidhuber 1997; the forget gate is from Gers, Schmidhuber & Cummins 2000.
    """

    Config = Config
    state = ("h", "c")
    vendor = "lstm"

    @property
    def gates(self) -> tuple[Gate, ...]:
        """Input, forget, candidate and output, in torch's order."""
        both = self.config.recurrent_bias
        start = {"forget": self.config.forget_bias}
        names = ("input", "forget", "candidate", "output")
        return tuple(Gate(n, recurrent_bias=both, bias_init=start.get(n)) for n in names)

    def equations(self, t: Timestep) -> dict[str, Tensor]:
        """c_t = f ⊙ c_{t-1} + i ⊙ g; h_t = o ⊙ tanh(c_t)."""
        i = sigmoid(t.x.input + t.h.input)
        f = sigmoid(t.x.forget + t.h.forget)
        g = tanh(t.x.candidate + t.h.candidate)
        o = sigmoid(t.x.output + t.h.output)
        c = f * t.state.c + i * g
        return {"h": o * tanh(c), "c": c}

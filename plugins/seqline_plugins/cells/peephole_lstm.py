"""The LSTM whose gates look at its memory."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, sigmoid, tanh

from seqline_plugins.cell import GatedCell, Own, Timestep
from seqline_plugins.gate import Gate
from seqline_plugins.options import option


@dataclass
class Config:
    """Options of `cell=peephole_lstm`."""

    recurrent_bias: bool = option(False, "a second bias a gate, in the recurrent part")
    forget_bias: float = option(1.0, "the forget gate's bias at the start: it opens the gate")


class PeepholeLSTM(GatedCell):
    """An LSTM with a weight from each unit's memory c to its three gates.

    Gers, Schraudolph & Schmidhuber 2002. The output gate looks at the new memory, as in ONNX.
    """

    Config = Config
    state = ("h", "c")
    own = {f"peephole_{gate}": Own() for gate in ("input", "forget", "output")}

    @property
    def gates(self) -> tuple[Gate, ...]:
        """Input, forget, candidate and output, in the order of `cell=lstm`."""
        both = self.config.recurrent_bias
        start = {"forget": self.config.forget_bias}
        names = ("input", "forget", "candidate", "output")
        return tuple(Gate(n, recurrent_bias=both, bias_init=start.get(n)) for n in names)

    def equations(self, t: Timestep) -> dict[str, Tensor]:
        """i, f = σ(… + p ⊙ c_{t-1}); c_t = f ⊙ c_{t-1} + i ⊙ g; o = σ(… + p ⊙ c_t)."""
        i = sigmoid(t.x.input + t.h.input + t.own.peephole_input * t.state.c)
        f = sigmoid(t.x.forget + t.h.forget + t.own.peephole_forget * t.state.c)
        g = tanh(t.x.candidate + t.h.candidate)
        c = f * t.state.c + i * g
        o = sigmoid(t.x.output + t.h.output + t.own.peephole_output * c)
        return {"h": o * tanh(c), "c": c}

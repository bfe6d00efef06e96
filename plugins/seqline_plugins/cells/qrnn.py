"""The quasi-recurrent network."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, sigmoid, tanh

from seqline_plugins.cell import GatedCell, Timestep
from seqline_plugins.gate import Gate
from seqline_plugins.options import option


@dataclass
class Config:
    """Options of `cell=qrnn`."""

    window: int = option(2, "inputs that each gate reads: x_t and those before it", low=1)


class QRNN(GatedCell):
    """Convolutions over the input and a recurrence without matrices, fo-pooling.

    Bradbury, Merity, Xiong & Socher 2017.
    """

    Config = Config
    state = ("h", "c")

    @property
    def gates(self) -> tuple[Gate, ...]:
        """Candidate, forget and output, each over a window of inputs."""
        names = ("candidate", "forget", "output")
        return tuple(Gate(n, recurrent="none", window=self.config.window) for n in names)

    def equations(self, t: Timestep) -> dict[str, Tensor]:
        """c_t = f ⊙ c_{t-1} + (1 − f) ⊙ z; h_t = o ⊙ c_t."""
        z = tanh(t.x.candidate)
        f = sigmoid(t.x.forget)
        o = sigmoid(t.x.output)
        c = f * t.state.c + (1 - f) * z
        return {"h": o * c, "c": c}

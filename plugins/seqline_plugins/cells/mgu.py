"""The minimal gated unit."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, sigmoid, tanh

from seqline_plugins.cell import GatedCell, Timestep
from seqline_plugins.gate import Gate
from seqline_plugins.options import option


@dataclass
class Config:
    """Options of `cell=mgu`."""

    forget_bias: float = option(0.0, "the forget gate's bias at the start; above 0 lets more in")
    recurrent_bias: bool = option(False, "a second bias a gate, in the recurrent part")


class MGU(GatedCell):
    """One gate both resets and updates (Zhou, Wu, Zhang & Zhou 2016)."""

    Config = Config

    @property
    def gates(self) -> tuple[Gate, ...]:
        """Forget and candidate."""
        both = self.config.recurrent_bias
        return (
            Gate("forget", recurrent_bias=both, bias_init=self.config.forget_bias),
            Gate("candidate", recurrent_bias=both),
        )

    def equations(self, t: Timestep) -> dict[str, Tensor]:
        """n = tanh(W x_t + U (f ⊙ h_{t-1}) + b); h_t = (1 − f) ⊙ h_{t-1} + f ⊙ n."""
        f = sigmoid(t.x.forget + t.h.forget)
        n = tanh(t.x.candidate + t.recurrent("candidate", f * t.state.h))
        return {"h": (1 - f) * t.state.h + f * n}

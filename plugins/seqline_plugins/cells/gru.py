"""The gated recurrent unit."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, sigmoid, tanh

from seqline_plugins.cell import GatedCell, Timestep
from seqline_plugins.gate import Gate
from seqline_plugins.options import option


@dataclass
class Config:
    """Options of `cell=gru`."""

    reset_after: bool = option(True, "reset the product W_R h, as nn.GRU; false: h itself (Cho)")
    recurrent_bias: bool = option(False, "a second bias a gate, as nn.GRU has")


class GRU(GatedCell):
    """Two gates and a candidate (Cho et al. 2014); h_t = (1 − z) ⊙ n + z ⊙ h_{t-1}."""

    Config = Config

    @property
    def gates(self) -> tuple[Gate, ...]:
        """Reset, update and candidate, in torch's order."""
        both = self.config.recurrent_bias
        return tuple(Gate(name, recurrent_bias=both) for name in ("reset", "update", "candidate"))

    @property
    def vendor(self) -> str | None:
        """`nn.GRU`, which resets after the product."""
        return "gru" if self.config.reset_after else None

    def equations(self, t: Timestep) -> dict[str, Tensor]:
        """The candidate reads r ⊙ (W_R h), or W_R (r ⊙ h) in Cho's original."""
        r = sigmoid(t.x.reset + t.h.reset)
        z = sigmoid(t.x.update + t.h.update)
        after = self.config.reset_after
        past = r * t.h.candidate if after else t.recurrent("candidate", r * t.state.h)
        n = tanh(t.x.candidate + past)
        return {"h": (1 - z) * n + z * t.state.h}

"""The LSTM without recurrent matrices."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, exp, minimum, sigmoid

from seqline_plugins.cell import GatedCell, Timestep
from seqline_plugins.cells.min_gru import positive
from seqline_plugins.gate import Gate
from seqline_plugins.options import option


@dataclass
class Config:
    """Options of `cell=min_lstm`."""

    candidate: str = option(
        "linear",
        "the candidate z itself, or the paper's g(z) > 0: z + 0.5 above 0, σ(z) below",
        choices=("linear", "positive"),
    )
    normalize: bool = option(True, "the gates f / (f + i) and i / (f + i), else f and i")
    forget_bias: float = option(0.0, "the forget gate's bias at the start; above 0 keeps more")


class MinLSTM(GatedCell):
    """Gates and candidate read x_t alone, so that h_t is linear in h_{t-1}; one state.

    Feng, Tung, Ahmed, Bengio & Hajimirsadeghi 2024, "Were RNNs all we needed?".
    """

    Config = Config

    @property
    def gates(self) -> tuple[Gate, ...]:
        """Forget, input and candidate."""
        start = {"forget": self.config.forget_bias}
        names = ("forget", "input", "candidate")
        return tuple(Gate(n, recurrent="none", bias_init=start.get(n)) for n in names)

    def equations(self, t: Timestep) -> dict[str, Tensor]:
        """f' = f / (f + i), i' = i / (f + i); h_t = f' ⊙ h_{t-1} + i' ⊙ (W x_t + b)."""
        n = positive(t.x.candidate) if self.config.candidate == "positive" else t.x.candidate
        if not self.config.normalize:
            return {"h": sigmoid(t.x.forget) * t.state.h + sigmoid(t.x.input) * n}
        # f / (f + i) = a / (a + b), a = 1 + e^-input, b = 1 + e^-forget, both times e^low
        low = minimum(t.x.forget, t.x.input).clamp(max=0).detach()
        a = exp(low) + exp(low - t.x.input)
        b = exp(low) + exp(low - t.x.forget)
        return {"h": (a * t.state.h + b * n) / (a + b)}

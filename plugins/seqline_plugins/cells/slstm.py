"""The sLSTM of xLSTM: exponential gates, kept within bounds, and heads."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, exp, maximum, sigmoid, tanh, where
from torch.nn.functional import logsigmoid

from seqline_plugins.cell import GatedCell, Timestep
from seqline_plugins.gate import Gate, block_diagonal
from seqline_plugins.options import option


@dataclass
class Config:
    """Options of `cell=slstm`."""

    heads: int = option(1, "blocks of units that do not see each other's past", low=1)
    forget: str = option(
        "exponential", "the forget gate's function", choices=("exponential", "sigmoid")
    )
    forget_bias: float = option(1.0, "the forget gate's bias at the start")


class SLSTM(GatedCell):
    """An LSTM whose gates are exponentials, its memory divided by their sum (Beck et al. 2024).

    m, the logarithm of the largest weight so far, keeps every exponent at 0 or below; heads are
    the blocks of W_R.
    """

    Config = Config
    state = ("h", "c", "n", "m")
    settable = ("h",)  # c is a sum weighted by n's exponentials: it means nothing without them

    @property
    def gates(self) -> tuple[Gate, ...]:
        """Input, forget, candidate and output, block-diagonal."""
        form, start = block_diagonal(self.config.heads), {"forget": self.config.forget_bias}
        names = ("input", "forget", "candidate", "output")
        return tuple(Gate(n, recurrent=form, bias_init=start.get(n)) for n in names)

    def equations(self, t: Timestep) -> dict[str, Tensor]:
        """c_t = f c_{t-1} + i z, n_t = f n_{t-1} + i, h_t = o c_t / n_t; f, i = exp(… − m_t)."""
        i = t.x.input + t.h.input
        f = t.x.forget + t.h.forget
        f = logsigmoid(f) if self.config.forget == "sigmoid" else f
        z = tanh(t.x.candidate + t.h.candidate)
        o = sigmoid(t.x.output + t.h.output)
        kept = where(t.state.n > 0, f + t.state.m, i)  # n = 0: nothing was read yet
        m = maximum(kept, i)
        keep, add = exp(kept - m), exp(i - m)
        c, n = keep * t.state.c + add * z, keep * t.state.n + add
        return {"h": o * c / n, "c": c, "n": n, "m": m}

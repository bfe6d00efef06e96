"""The LSTM with layer normalisation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add

from torch import Tensor, rsqrt, sigmoid, tanh

from seqline_plugins.cell import GatedCell, Own, Timestep
from seqline_plugins.gate import Gate
from seqline_plugins.options import option

GATES = ("input", "forget", "candidate", "output")
EPSILON = 1e-5  # nn.LayerNorm's


@dataclass
class Config:
    """Options of `cell=layer_norm_lstm`."""

    forget_bias: float = option(1.0, "the forget gate's bias at the start: it opens the gate")


class LayerNormLSTM(GatedCell):
    """An LSTM that normalises W_F x_t, W_R h_{t-1} and the new memory (Ba, Kiros & Hinton 2016).

    Each of the two products is normalised over all four gates together, 4H units, as in the
    paper. The gates' biases are those of the first normalisation.
    """

    Config = Config
    state = ("h", "c")
    gates = tuple(Gate(name, bias=False) for name in GATES)

    @property
    def own(self) -> Mapping[str, Own]:
        """A gain and a bias for each gate's part of both products, and for the memory."""
        start = {"bias_x_forget": self.config.forget_bias}
        parts = [f"{part}_{gate}" for part in "xh" for gate in GATES] + ["c"]
        gains = {f"gain_{part}": Own(init=1.0) for part in parts}
        return gains | {f"bias_{p}": Own(init=start.get(f"bias_{p}", 0.0)) for p in parts}

    def equations(self, t: Timestep) -> dict[str, Tensor]:
        """z = LN(W_F x_t) + LN(W_R h_{t-1}); an LSTM's gates; h_t = o ⊙ tanh(LN(c_t))."""
        x = layer_norm({f"x_{gate}": t.x[gate] for gate in GATES}, t.own)
        h = layer_norm({f"h_{gate}": t.h[gate] for gate in GATES}, t.own)
        i = sigmoid(x["x_input"] + h["h_input"])
        f = sigmoid(x["x_forget"] + h["h_forget"])
        g = tanh(x["x_candidate"] + h["h_candidate"])
        o = sigmoid(x["x_output"] + h["h_output"])
        c = f * t.state.c + i * g
        return {"h": o * tanh(layer_norm({"c": c}, t.own)["c"]), "c": c}


def layer_norm(parts: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return gain ⊙ (z − mean) / √(variance + ε) + bias of every part, each (B, H).

    Mean and variance are taken over the units of all parts together.
    """
    mean = average([z.mean(-1, keepdim=True) for z in parts.values()])
    centred = {name: z - mean for name, z in parts.items()}
    variance = average([(z * z).mean(-1, keepdim=True) for z in centred.values()])
    scale = rsqrt(variance + EPSILON)
    return {
        name: own[f"gain_{name}"] * (z * scale) + own[f"bias_{name}"] for name, z in centred.items()
    }


def average(values: Sequence[Tensor]) -> Tensor:
    """Return the mean of tensors of one shape."""
    return reduce(add, values) / len(values)

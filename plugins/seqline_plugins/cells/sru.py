"""The simple recurrent unit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, sigmoid

from seqline_plugins.cell import GatedCell, Own, Timestep
from seqline_plugins.gate import Gate
from seqline_plugins.options import option


@dataclass
class Config:
    """Options of `cell=sru`."""

    peephole: bool = option(True, "the gates look at c_{t-1}; false: c_t is linear in c_{t-1}")


class SRU(GatedCell):
    """A light recurrence and a highway past it (Lei, Zhang, Wang, Dai & Artzi 2018).

    The highway carries x_t itself, or a projection of it where its size is not H.
    """

    Config = Config
    state = ("h", "c")
    gates = (
        Gate("candidate", recurrent="none", bias=False),
        Gate("forget", recurrent="none"),
        Gate("reset", recurrent="none"),
        Gate("highway", recurrent="none", bias=False, direct=True),
    )

    @property
    def own(self) -> Mapping[str, Own]:
        """A weight from each unit's memory to both gates, v_f and v_r."""
        return {"v_forget": Own(), "v_reset": Own()} if self.config.peephole else {}

    def equations(self, t: Timestep) -> dict[str, Tensor]:
        """f, r = σ(W x_t + v ⊙ c_{t-1} + b); h_t = r ⊙ c_t + (1 − r) ⊙ x_t.

        c_t = f ⊙ c_{t-1} + (1 − f) ⊙ W x_t
        """
        forget, reset = t.x.forget, t.x.reset
        if self.config.peephole:
            forget = forget + t.own.v_forget * t.state.c
            reset = reset + t.own.v_reset * t.state.c
        f, r = sigmoid(forget), sigmoid(reset)
        c = f * t.state.c + (1 - f) * t.x.candidate
        return {"h": r * c + (1 - r) * t.x.highway, "c": c}

"""A diagonal unitary recurrence: what was read turns, and neither grows nor fades."""

from __future__ import annotations

import math

from torch import Tensor, cos, sin

from seqline_plugins.cell import GatedCell, Own, Timestep
from seqline_plugins.gate import Gate


class Unitary(GatedCell):
    """Each unit is a complex number that turns by an angle of its own at every step.

    The diagonal part of Arjovsky, Shah & Bengio 2016, "Unitary evolution recurrent neural
    networks", linear in its state as Orvieto et al. 2023 have it. A gradient is as long after
    thousands of steps as after one, so that what was read long ago is not forgotten.
    """

    state = ("h", "imaginary")
    gates = (
        Gate("real", recurrent="none", bias=False),
        Gate("turned", recurrent="none", bias=False),
    )
    own = {"angle": Own(bound=math.pi)}

    def equations(self, t: Timestep) -> dict[str, Tensor]:
        """s_t = e^{iθ} s_{t-1} + V x_t + i W x_t; the output is the real part of s_t."""
        c, s = cos(t.own.angle), sin(t.own.angle)
        h, j = t.state.h, t.state.imaginary
        return {"h": c * h - s * j + t.x.real, "imaginary": s * h + c * j + t.x.turned}

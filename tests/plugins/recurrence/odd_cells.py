"""Cells of another package, with every form of gate that a plugin may declare."""

from __future__ import annotations

import torch
from torch import Tensor, nn, sigmoid, tanh

from seqline_plugins import (
    Gate,
    GatedCell,
    Noise,
    Own,
    StepCell,
    Timestep,
    block_diagonal,
    of_matrix,
)


class Blocks(GatedCell):
    """Two heads that do not see each other, one of its gates without biases."""

    gates = (
        Gate("forget", recurrent=block_diagonal(2), bias=False),
        Gate("candidate", recurrent=block_diagonal(2)),
    )

    def equations(self, t: Timestep) -> dict[str, Tensor]:
        f = sigmoid(t.x.forget + t.h.forget)
        return {"h": f * t.state.h + (1 - f) * tanh(t.x.candidate + t.h.candidate)}


class Memory(GatedCell):
    """No recurrent matrix at all: the past comes in through the state alone."""

    gates = tuple(Gate(name, recurrent="none") for name in ("forget", "candidate", "output"))
    state = ("h", "c")

    def equations(self, t: Timestep) -> dict[str, Tensor]:
        f = sigmoid(t.x.forget + t.h.forget)
        c = f * t.state.c + (1 - f) * t.x.candidate
        return {"h": sigmoid(t.x.output) * tanh(c), "c": c}


def antisymmetric(matrix: Tensor) -> Tensor:
    return matrix - matrix.T - 0.1 * torch.eye(len(matrix), dtype=matrix.dtype)


class Antisymmetric(GatedCell):
    """W_R = M − Mᵀ − γI (Chang et al. 2019)."""

    gates = (Gate("candidate", recurrent=of_matrix(antisymmetric)),)

    def equations(self, t: Timestep) -> dict[str, Tensor]:
        return {"h": t.state.h + 0.3 * tanh(t.x.candidate + t.h.candidate)}


class Mixed(GatedCell):
    """All forms in one cell, two states, parameters of its own, W_R of another vector."""

    gates = (
        "reset",
        Gate("scale", recurrent="diagonal", recurrent_bias=True),
        Gate("candidate", recurrent_bias=True),
        Gate("keep", recurrent="none", bias=False),
        Gate("mix", recurrent=of_matrix(antisymmetric), bias_init=0.5),
    )
    state = ("h", "m")
    own = {"peephole": Own(), "gain": Own(init=2.0)}

    def equations(self, t: Timestep) -> dict[str, Tensor]:
        r = sigmoid(t.x.reset + t.h.reset + t.own.peephole * t.state.m)
        n = tanh(t.x.candidate + t.recurrent("candidate", r * t.state.h))
        m = sigmoid(t.x.keep) * t.state.m + tanh(t.x.mix + t.h.mix) * t.input.sum(1, keepdim=True)
        return {"h": n * sigmoid(t.x.scale + t.h.scale) + t.own.gain * tanh(m), "m": m}


class Windows(GatedCell):
    """Gates that read one, two and three inputs, and x itself (a projection where I != H)."""

    gates = (
        Gate("forget", window=2, bias_init=0.5),
        Gate("candidate", recurrent="none", window=3, bias=False),
        Gate("through", recurrent="diagonal", direct=True, bias=False),
        "output",
    )
    state = ("h", "c")

    def equations(self, t: Timestep) -> dict[str, Tensor]:
        f = sigmoid(t.x.forget + t.h.forget)
        c = f * t.state.c + (1 - f) * tanh(t.x.candidate)
        o = sigmoid(t.x.output + t.h.output)
        return {"h": o * c + (1 - o) * tanh(t.x.through + t.h.through), "c": c}


class Sharing(GatedCell):
    """Gates with another's matrices, of every kind, and biases of their own."""

    gates = (
        Gate("update", shares="reset", bias_init=1.0, recurrent_bias=True),
        "reset",
        Gate("decay", recurrent="diagonal", window=2),
        Gate("keep", shares="decay", bias=False),
        Gate("candidate", direct=True, recurrent_bias=True),
        Gate("again", shares="candidate"),
    )

    def equations(self, t: Timestep) -> dict[str, Tensor]:
        r = sigmoid(t.x.reset + t.h.reset)
        z = sigmoid(t.x.update + t.h.update) * sigmoid(t.x.keep + t.h.keep)
        n = tanh(t.x.candidate + t.h.candidate) + t.x.again * t.recurrent("again", r * t.state.h)
        return {"h": z * t.state.h + (1 - z) * tanh(n * (t.x.decay + t.h.decay))}


class Zoneout(GatedCell):
    """An RNN with a memory, whose units keep their values at random (Krueger et al. 2017)."""

    gates = ("candidate", Gate("output", recurrent="none"))
    state = ("h", "c")
    noise = {"keep_h": Noise(0.25), "keep_c": Noise(0.5)}

    def equations(self, t: Timestep) -> dict[str, Tensor]:
        n = tanh(t.x.candidate + t.h.candidate)
        c = t.noise.keep_c * t.state.c + (1 - t.noise.keep_c) * n
        h = sigmoid(t.x.output) * c
        return {"h": t.noise.keep_h * t.state.h + (1 - t.noise.keep_h) * h, "c": c}


class Counter(StepCell):
    """A module with a state of its own shape and a learned beginning."""

    state = ("h", "seen")

    def __init__(self, config: object, input_size: int, hidden_size: int) -> None:
        super().__init__(config, input_size, hidden_size)
        self.mix = nn.Linear(input_size + hidden_size, hidden_size)
        self.start = nn.Parameter(torch.linspace(-1, 1, hidden_size))

    def initial_state(self, batch: int) -> dict[str, Tensor]:
        h = self.start.unsqueeze(0).repeat(batch, 1)
        return {"h": h, "seen": h.new_zeros(batch, 1)}

    def forward(self, x_t: Tensor, state: dict[str, Tensor]) -> dict[str, Tensor]:
        seen = state["seen"] + 1
        h = tanh(self.mix(torch.cat([x_t, state["h"]], dim=-1))) / seen
        return {"h": h, "seen": seen}

"""Gated cells with equations drawn at random: gates, forms, biases, states, operations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from hypothesis import strategies as st
from torch import Tensor

from seqline_plugins import Gate, GatedCell, Own, Timestep, block_diagonal, of_matrix

ONE = {
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "relu": torch.relu,
    "neg": torch.neg,
    "sin": torch.sin,
    "softplus": F.softplus,
    "silu": F.silu,
    "elu": F.elu,
    "clamp": lambda a: a.clamp(-0.7, 0.9),
    "bell": lambda a: torch.exp(-a * a),
    "root": lambda a: torch.sqrt(1 + a * a),
    "centred": lambda a: a - a.mean(-1, keepdim=True),
    "normed": lambda a: a * torch.rsqrt((a * a).mean(-1, keepdim=True) + 0.1),
}
TWO = {
    "add": torch.add,
    "sub": torch.sub,
    "mul": torch.mul,
    "ratio": lambda a, b: a / (1.5 + torch.tanh(b)),
    "larger": torch.maximum,
    "where": lambda a, b: torch.where(a > b, a, 0.5 * b),
    "lerp": lambda a, b: torch.lerp(a, b, 0.3),
}
FORMS = ("full", "diagonal", "none", block_diagonal(2), of_matrix(lambda m: m - 0.5 * m.T))


def value(tree: Any, t: Timestep) -> Tensor:
    """Return what an expression gives at one timestep."""
    kind, *rest = tree
    if kind in ("x", "h", "state", "own"):
        return getattr(t, kind)[rest[0]]
    if kind == "recurrent":
        every_row = 0 * t.x[rest[0]]  # the vector may be a parameter, which has no rows
        return t.recurrent(rest[0], value(rest[1], t) + every_row)
    if kind in ONE:
        return ONE[kind](value(rest[0], t))
    return TWO[kind](value(rest[0], t), value(rest[1], t))


@dataclass
class Drawn:
    """What was drawn; printed when a check fails."""

    gates: tuple[Gate, ...]
    own: tuple[str, ...]
    new: dict[str, Any]

    def cell(self) -> GatedCell:
        """Return the cell; new states stay within −1 and 1, so that nothing grows over time."""
        drawn = self

        class Cell(GatedCell):
            gates = drawn.gates
            state = tuple(drawn.new)
            own = {name: Own() for name in drawn.own}

            def equations(self, t: Timestep) -> dict[str, Tensor]:
                zero = 0 * t.x[drawn.gates[0].name]
                return {n: torch.tanh(value(tree, t) + zero) for n, tree in drawn.new.items()}

        return Cell()


@st.composite
def drawn_cells(draw: st.DrawFn) -> Drawn:
    """Draw a cell of one to four gates and one or two states."""
    names = ("a", "b", "c", "d")[: draw(st.integers(1, 4))]
    gates = tuple(
        Gate(
            name,
            recurrent=draw(st.sampled_from(FORMS)),
            bias=draw(st.booleans()),
            recurrent_bias=draw(st.booleans()),
        )
        for name in names
    )
    states = ("h", "s")[: draw(st.integers(1, 2))]
    own = ("p", "q")[: draw(st.integers(0, 2))]
    leaves = [("x", name) for name in names] + [("h", name) for name in names]
    leaves += [("state", name) for name in states] + [("own", name) for name in own]

    def grown(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        return st.one_of(
            st.tuples(st.sampled_from(sorted(ONE)), inner),
            st.tuples(st.sampled_from(sorted(TWO)), inner, inner),
            st.tuples(st.just("recurrent"), st.sampled_from(names), inner),
        )

    trees = st.recursive(st.sampled_from(leaves), grown, max_leaves=8)
    return Drawn(gates, own, {name: draw(trees) for name in states})

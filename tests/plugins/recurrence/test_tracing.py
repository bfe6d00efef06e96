"""What can be traced, the names that are found, and what is said of what cannot."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from seqline_plugins.build import build_cell
from seqline_plugins.cell import GatedCell, Timestep
from seqline_plugins.errors import DeclarationError
from seqline_plugins.recurrence import RecurrentStack
from seqline_plugins.recurrence.generated.notation import read
from seqline_plugins.recurrence.generated.operations import UntraceableError
from seqline_plugins.recurrence.generated.plan import make_plan
from seqline_plugins.recurrence.generated.trace import trace

MATRIX = torch.eye(4, dtype=torch.float64)
OUTSIDE = torch.linspace(0, 1, 4, dtype=torch.float64)


def cell_of(given: Callable[[Timestep], Any], states: tuple[str, ...] = ("h",)) -> GatedCell:
    class Cell(GatedCell):
        gates = ("a", "b")
        state = states
        equations = lambda self, t: {"h": given(t)}  # noqa: E731  (without names of its own)

    return Cell()


def choose(t: Timestep) -> Tensor:
    return t.x.a if t.x.a.sum() > 0 else t.x.b


def written_over(t: Timestep) -> Tensor:
    z = t.x.a + t.h.a
    z[:, 0] = 0
    return z


REFUSED: dict[str, Callable[[Timestep], Any]] = {
    "the operation 'rand_like'": lambda t: t.x.a + torch.rand_like(t.x.a),
    "the operation '(native_dropout|bernoulli_?|empty_like)'": lambda t: F.dropout(t.x.a, 0.5),
    "the operation 'sum' other than over H with keepdim": choose,
    "the operation 'add_'": lambda t: (t.x.a + t.h.a).add_(1),
    "the operation 'select'": written_over,
    "a tensor that is neither declared nor computed": lambda t: t.x.a * OUTSIDE,
    "the operation 'ones'": lambda t: t.x.a * torch.ones(4, dtype=torch.float64),
    "the operation 'cumsum'": lambda t: t.x.a.cumsum(-1),
    "the operation 'mm'": lambda t: t.x.a @ MATRIX,
    "the operation 'sum' other than over H": lambda t: t.x.a * t.x.b.sum(),
    "the operation 'mean' other than over H": lambda t: t.x.a * t.x.b.mean(0, keepdim=True),
    "the operation 'pow' with an exponent": lambda t: t.x.a**t.x.b,
    "x_t itself, whose size": lambda t: t.x.a * t.input.mean(-1, keepdim=True),
}


@pytest.mark.parametrize("message", REFUSED)
def test_what_cannot_be_traced_is_named(message: str) -> None:
    with pytest.raises(UntraceableError, match=message):
        trace(cell_of(REFUSED[message]), 3, 4)


@pytest.mark.parametrize("kernel", ["auto", "reference"])
def test_equations_that_do_not_keep_to_the_declarations_are_named(kernel: str) -> None:
    wrong: dict[str, tuple[Callable[[Timestep], Any], str]] = {
        "the state 'm' is never set": (lambda t: t.x.a, "hm"),
        "the new state 'h' has the shape": (lambda t: t.x.a[:, :2], "h"),
        "there is no gate 'forgte'; there are: a": (lambda t: t.x.forgte, "h"),
        "there is no gate 'aa'; there are: a": (lambda t: t.recurrent("aa", t.state.h), "h"),
    }
    for message, (equations, states) in wrong.items():
        stack = RecurrentStack(type(cell_of(equations, tuple(states))), 3, 4, kernel=kernel)
        with pytest.raises(DeclarationError, match=f"test_tracing.py.*{message}"):
            stack(torch.randn(2, 3, 3))


def test_a_value_that_is_read_behind_torchs_back_is_noticed() -> None:
    cell = cell_of(lambda t: t.x.a * float(t.x.b.numpy()[0, 0]))
    with pytest.raises(UntraceableError, match="depends on a tensor's values"):
        trace(cell, 3, 4)


def doubled(value: Tensor) -> dict[str, Tensor]:
    twice = value + value
    return {"twice": twice}


def with_names(t: Timestep) -> Tensor:
    gate = torch.sigmoid(t.x.a + t.h.a)
    parts = doubled(gate)
    again = gate
    return torch.tanh(parts["twice"]) * again


def test_values_are_called_as_the_cells_own_code_calls_them() -> None:
    before = sys.getprofile()
    equations = trace(cell_of(with_names), 3, 4)
    assert sys.getprofile() is before
    names = {name: node.op for node, name in equations.names.items()}
    assert names == {"gate": "sigmoid", "twice": "add"}
    assert read(make_plan(equations)).equations == [
        "gate = sigmoid(x.a + h.a)",
        "twice = gate + gate",
        "new.h = tanh(twice) * gate",
    ]


def test_names_change_nothing_that_is_computed() -> None:
    def other(t: Timestep) -> Tensor:
        g = torch.sigmoid(t.x.a + t.h.a)
        return torch.tanh(g + g) * g

    one, two = trace(cell_of(with_names), 3, 4), trace(cell_of(other), 3, 4)
    assert one.text() == two.text() and one.names.values() != two.names.values()


def test_a_lstm_reads_as_in_the_books() -> None:
    cell = build_cell({"name": "lstm"}, 3, 4)
    assert isinstance(cell, GatedCell)
    reading = read(make_plan(trace(cell, 3, 4)))
    assert reading.equations[-3:] == [
        "c = f * state.c + i * g",
        "new.h = o * tanh(c)",
        "new.c = c",
    ]
    assert "d c = d new.c + d new.h * o * (1 - tanh(c)**2)" in reading.derivative
    assert "d x.forget = d f * (f * (1 - f))" in reading.derivative
    assert "d state.h = sum_G(W_R.G^T d h.G)" in reading.derivative
    assert "d state.c = d c * f" in reading.derivative

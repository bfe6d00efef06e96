"""The cells with constant weights, worked out by hand: scalar steps in plain arithmetic."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch

from seqline_plugins import RecurrentStack

W, R, B, RB = 0.5, -0.3, 0.1, 0.2
X = (1.0, -2.0, 0.5)


def sigmoid(z: float) -> float:
    return 1 / (1 + math.exp(-z))


def rnn(f: Callable[[float], float]) -> list[float]:
    a, found = 0.0, []
    for x in X:
        a = f(W * x + R * a + B + RB)
        found.append(a)
    return found


def lstm() -> list[float]:
    h = c = 0.0
    found = []
    for x in X:
        z = W * x + R * h + B + RB
        c = sigmoid(z) * c + sigmoid(z) * math.tanh(z)
        h = sigmoid(z) * math.tanh(c)
        found.append(h)
    return found


def gru(reset_after: bool) -> list[float]:
    h, found = 0.0, []
    for x in X:
        gate = sigmoid(W * x + R * h + B + RB)
        past = gate * (R * h + RB) if reset_after else R * (gate * h) + RB
        h = (1 - gate) * math.tanh(W * x + B + past) + gate * h
        found.append(h)
    return found


CASES = [
    ({"name": "rnn"}, rnn(math.tanh)),
    ({"name": "rnn", "nonlinearity": "relu"}, rnn(lambda z: max(0.0, z))),
    ({"name": "lstm"}, lstm()),
    ({"name": "gru"}, gru(reset_after=True)),
    ({"name": "gru", "reset_after": False}, gru(reset_after=False)),
]


@pytest.mark.parametrize(("cell", "wanted"), CASES)
def test_a_cell_of_one_unit_gives_the_values_worked_out_by_hand(
    cell: dict[str, Any], wanted: list[float]
) -> None:
    stack = RecurrentStack(cell | {"recurrent_bias": True}, 1, 1, kernel="reference").double()
    weights = stack.layers[0][0].weights
    with torch.no_grad():
        for parameter, value in (
            (weights.W_F, W),
            (weights.W_R, R),
            (weights.bias, B),
            (weights.recurrent_bias, RB),
        ):
            parameter.fill_(value)
    output, _ = stack(torch.tensor(X, dtype=torch.float64).view(1, 3, 1))
    assert output.flatten().tolist() == pytest.approx(wanted, abs=1e-14)

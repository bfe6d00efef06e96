"""The equations with numbers worked out by hand, and the cell as seqline runs it."""

from __future__ import annotations

from types import SimpleNamespace

import torch
from seqline_light_gru import LightGRU

from seqline_plugins import RecurrentStack


def test_equations() -> None:
    half = torch.zeros(1, 1)  # σ(0) = 1/2
    t = SimpleNamespace(
        x=SimpleNamespace(update=half, candidate=torch.tensor([[3.0]])),
        h=SimpleNamespace(update=half, candidate=torch.tensor([[-1.0]])),
        state=SimpleNamespace(h=torch.tensor([[4.0]])),
    )
    assert LightGRU().equations(t)["h"].item() == 4 / 2 + (3 - 1) / 2


def test_whole_sequence_is_its_steps() -> None:
    stack = RecurrentStack({"name": "light_gru", "update_bias": 1.0}, input_size=3, hidden_size=4)
    x = torch.randn(2, 5, 3)
    whole, last = stack(x)
    state = stack.initial_state(2)
    for t in range(5):
        output, state = stack.step(x[:, t], state)
        torch.testing.assert_close(output, whole[:, t])
    torch.testing.assert_close(state, last)

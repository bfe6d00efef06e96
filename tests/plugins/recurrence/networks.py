"""Small networks in float64 and what they compute, gradients included."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from seqline_plugins import RecurrentStack

Cell = dict[str, Any]

ODD = {
    "blocks": "Blocks",
    "memory": "Memory",
    "antisymmetric": "Antisymmetric",
    "mixed": "Mixed",
    "windows": "Windows",
    "sharing": "Sharing",
    "counter": "Counter",
}
NOISY = {"zoneout": "Zoneout"}
VENDOR_CELLS: list[Cell] = [
    {"name": "rnn", "nonlinearity": "tanh"},
    {"name": "rnn", "nonlinearity": "relu"},
    {"name": "lstm"},
    {"name": "gru"},
    {"name": "rnn", "nonlinearity": "tanh", "recurrent_bias": True},
    {"name": "rnn", "nonlinearity": "relu", "recurrent_bias": True},
    {"name": "lstm", "recurrent_bias": True},
    {"name": "gru", "recurrent_bias": True},
]
CHO = {"name": "gru", "reset_after": False, "recurrent_bias": True}
OTHER_CELLS: list[Cell] = [
    {"name": "mgu"},
    {"name": "peephole_lstm"},
    {"name": "layer_norm_lstm"},
    {"name": "min_gru"},
    {"name": "min_gru", "candidate": "positive"},
    {"name": "min_lstm"},
    {"name": "min_lstm", "candidate": "positive", "normalize": False},
    {"name": "sru"},
    {"name": "sru", "peephole": False},
    {"name": "qrnn"},
    {"name": "qrnn", "window": 4},
    {"name": "ind_rnn"},
    {"name": "fast_grnn"},
    {"name": "slstm", "heads": 2},
]
ALL_CELLS: list[Cell] = [*VENDOR_CELLS, CHO, *OTHER_CELLS, *({"name": name} for name in ODD)]


def title(cell: Cell) -> str:
    """Return a test's name for a cell."""
    return "-".join(str(value) for value in cell.values())


def stack_of(
    cell: Cell, input_size: int = 3, hidden_size: int = 4, seed: int = 0, **options: Any
) -> RecurrentStack:
    """Return a stack in float64, its weights drawn from the seed."""
    torch.manual_seed(seed)
    return RecurrentStack(cell, input_size, hidden_size, **options).double()


def twin(stack: RecurrentStack, cell: Cell, **options: Any) -> RecurrentStack:
    """Return another stack with the same weights."""
    layer = stack.layers[0][0]
    made = stack_of(cell, layer.weights.input_size, layer.hidden_size, **options)
    made.load_state_dict(stack.state_dict())
    return made


def random_state(stack: RecurrentStack, batch: int, seed: int = 7) -> dict[str, Tensor]:
    """Return an initial state that is not zero, its gradient asked for."""
    draw = torch.Generator().manual_seed(seed)
    state = stack.initial_state(batch)
    return {
        name: torch.rand(t.shape, generator=draw, dtype=t.dtype).requires_grad_()
        for name, t in state.items()
    }


def inputs(
    batch: int, steps: int, size: int, seed: int = 3, dtype: torch.dtype = torch.float64
) -> Tensor:
    """Return random inputs (B, T, I)."""
    draw = torch.Generator().manual_seed(seed)
    return torch.randn(batch, steps, size, generator=draw, dtype=torch.float64).to(dtype)


def results(
    stack: RecurrentStack,
    x: Tensor,
    lengths: Sequence[int] | None = None,
    state: Mapping[str, Tensor] | None = None,
) -> dict[str, Tensor]:
    """Return outputs, final states and the gradients of a loss that reads them all.

    Every row's weight in the loss depends on its place from the row's start alone, so that more
    padding or other rows leave the gradients of a row as they are.
    """
    stack.zero_grad()
    x = x.detach().clone().requires_grad_()
    given = None if state is None else {k: v.detach().clone() for k, v in state.items()}
    for tensor in (given or {}).values():
        tensor.requires_grad_()
    bounds = None if lengths is None else torch.tensor(lengths)
    output, last = stack(x, bounds, given)
    steps = torch.arange(1, x.shape[1] + 1, dtype=x.dtype).unsqueeze(-1)
    units = torch.arange(1, output.shape[-1] + 1, dtype=x.dtype)
    loss = (output * torch.cos(steps * units)).sum()
    for number, tensor in enumerate(last.values(), start=2):
        weight = torch.sin(torch.arange(1, tensor.shape[-1] + 1, dtype=x.dtype) * number)
        loss = loss + (tensor * weight).sum()
    loss.backward()
    found = {"output": output, "x.grad": gradient(x)}
    found |= {f"last {name}": tensor for name, tensor in last.items()}
    found |= {f"grad {name}": gradient(p) for name, p in stack.named_parameters()}
    found |= {f"grad state {name}": gradient(tensor) for name, tensor in (given or {}).items()}
    return {name: tensor.detach() for name, tensor in found.items()}


def gradient(tensor: Tensor) -> Tensor:
    """Return what a tensor's gradient is, zero where nothing depended on it."""
    return torch.zeros_like(tensor) if tensor.grad is None else tensor.grad


def assert_close(found: Mapping[str, Tensor], wanted: Mapping[str, Tensor], bound: float) -> None:
    """Compare tensors by name; the message names the worst."""
    assert found.keys() == wanted.keys()
    for name, tensor in wanted.items():
        assert found[name].shape == tensor.shape, name
        if tensor.numel():
            distance = float((found[name] - tensor).detach().abs().max())
            assert distance <= bound, f"{name} is {distance:g} apart"

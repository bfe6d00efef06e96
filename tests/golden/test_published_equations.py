"""Cells against their papers' equations, written with other operations than theirs.

Constant weights; one matrix a gate, `nn.LayerNorm`, `nn.functional.conv1d`, one row at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

import pytest
import torch
from torch import Tensor, nn, sigmoid, tanh

from seqline_plugins import RecurrentStack
from seqline_plugins.recurrence.weights import GateWeights

B, T, H = 2, 6, 3
CLOSE = 1e-12


def numbers(*shape: int, start: int = 1) -> Tensor:
    """Return constant numbers between −1 and 1, no two alike."""
    size = torch.Size(shape).numel()
    return torch.cos(torch.arange(start, start + size, dtype=torch.float64) * 1.7).view(shape)


def constant_stack(cell: dict[str, object], input_size: int) -> RecurrentStack:
    stack = RecurrentStack(cell, input_size, H).double()
    starts = count(1, 5)
    with torch.no_grad():
        for parameter in stack.parameters():
            parameter.copy_(numbers(*parameter.shape, start=next(starts)))
    return stack


def gates(matrix: Tensor) -> list[Tensor]:
    return list(matrix.split(H))


Formula = Callable[[GateWeights, Tensor], Tensor]
FORMULAS: dict[str, tuple[dict[str, object], Formula]] = {}


def formula(**cell: object) -> Callable[[Formula], Formula]:
    def register(function: Formula) -> Formula:
        FORMULAS["-".join(map(str, cell.values()))] = (cell, function)
        return function

    return register


@formula(name="mgu")
def mgu(w: GateWeights, x: Tensor) -> Tensor:
    (W_f, W), (U_f, U), (b_f, b) = gates(w.W_F), gates(w.W_R), gates(w.bias)
    h, outputs = torch.zeros(H, dtype=x.dtype), []
    for x_t in x:
        f = sigmoid(torch.cat([W_f, U_f], 1) @ torch.cat([x_t, h]) + b_f)
        n = tanh(torch.cat([W, U], 1) @ torch.cat([x_t, f * h]) + b)
        h = torch.lerp(h, n, f)
        outputs.append(h)
    return torch.stack(outputs)


@formula(name="peephole_lstm")
def peephole_lstm(w: GateWeights, x: Tensor) -> Tensor:
    p = {gate: torch.diag(w.own[f"peephole_{gate}"]) for gate in ("input", "forget", "output")}
    c = h = torch.zeros(H, dtype=x.dtype)
    outputs = []
    for x_t in x:
        z_i, z_f, z_g, z_o = gates(w.W_F @ x_t + w.W_R @ h + w.bias)
        c, before = sigmoid(z_i + p["input"] @ c) * tanh(z_g), c
        c = c + sigmoid(z_f + p["forget"] @ before) * before
        h = sigmoid(z_o + p["output"] @ c) * tanh(c)
        outputs.append(h)
    return torch.stack(outputs)


@formula(name="layer_norm_lstm")
def layer_norm_lstm(w: GateWeights, x: Tensor) -> Tensor:
    norms = {"x": nn.LayerNorm(4 * H), "h": nn.LayerNorm(4 * H), "c": nn.LayerNorm(H)}
    names = ("input", "forget", "candidate", "output")
    for part, norm in norms.items():
        places = ["c"] if part == "c" else [f"{part}_{name}" for name in names]
        norm.weight = nn.Parameter(torch.cat([w.own[f"gain_{place}"] for place in places]))
        norm.bias = nn.Parameter(torch.cat([w.own[f"bias_{place}"] for place in places]))
    c = h = torch.zeros(H, dtype=x.dtype)
    outputs = []
    for x_t in x:
        i, f, g, o = gates(norms["x"](w.W_F @ x_t) + norms["h"](w.W_R @ h))
        c = sigmoid(f) * c + sigmoid(i) * tanh(g)
        h = sigmoid(o) * tanh(norms["c"](c))
        outputs.append(h)
    return torch.stack(outputs)


@pytest.mark.parametrize("input_size", [2, H])
@pytest.mark.parametrize("name", FORMULAS)
def test_a_cell_computes_its_papers_equations(name: str, input_size: int) -> None:
    cell, function = FORMULAS[name]
    stack, x = constant_stack(cell, input_size), numbers(B, T, input_size, start=40)
    found, _ = stack(x)
    wanted = torch.stack([function(stack.layers[0][0].weights, row) for row in x])
    torch.testing.assert_close(found, wanted, rtol=0, atol=CLOSE)

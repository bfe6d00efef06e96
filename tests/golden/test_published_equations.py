"""Cells against their papers' equations, written with other operations than theirs.

Constant weights; one matrix a gate, `nn.LayerNorm`, `nn.functional.conv1d`, one row at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import count
from math import prod

import pytest
import torch
import torch.nn.functional as F
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


Formula = Callable[..., Tensor]
FORMULAS: dict[str, tuple[dict[str, object], Formula]] = {}


def formula(**cell: object) -> Callable[[Formula], Formula]:
    def register(function: Formula) -> Formula:
        options = {name: value for name, value in cell.items() if name != "name"}
        FORMULAS["-".join(map(str, cell.values()))] = (cell, partial(function, **options))
        return function

    return register


@formula(name="unitary")
def unitary(w: GateWeights, x: Tensor) -> Tensor:
    V, W = gates(w.W_F)
    turn = torch.exp(1j * w.own["angle"].detach())
    s, outputs = torch.zeros(H, dtype=torch.complex128), []
    for x_t in x:
        s = turn * s + torch.complex(V @ x_t, W @ x_t)
        outputs.append(s.real)
    return torch.stack(outputs)


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


def min_candidate(z: Tensor, kind: object) -> Tensor:
    return torch.stack([u + 0.5 if u >= 0 else sigmoid(u) for u in z]) if kind == "positive" else z


def sum_of_discounted(keep: list[Tensor], added: list[Tensor]) -> Tensor:
    """Return h_t = Σ_s (Π_{r>s} keep_r) added_s of every step: the recurrence unrolled."""
    steps = range(len(added))
    ones = torch.ones(H, dtype=torch.float64)
    return torch.stack(
        [sum(prod([ones, *keep[s + 1 : t + 1]]) * added[s] for s in range(t + 1)) for t in steps]
    )


@formula(name="min_gru")
@formula(name="min_gru", candidate="positive")
def min_gru(w: GateWeights, x: Tensor, candidate: str = "linear") -> Tensor:
    keep, added = [], []
    for x_t in x:
        z, n = gates(w.W_F @ x_t + w.bias)
        keep.append(sigmoid(-z))
        added.append(sigmoid(z) * min_candidate(n, candidate))
    return sum_of_discounted(keep, added)


@formula(name="min_lstm")
@formula(name="min_lstm", candidate="positive", normalize=False)
def min_lstm(
    w: GateWeights, x: Tensor, candidate: str = "linear", normalize: bool = True
) -> Tensor:
    keep, added = [], []
    for x_t in x:
        z_f, z_i, n = gates(w.W_F @ x_t + w.bias)
        f, i = sigmoid(z_f), sigmoid(z_i)
        total = f + i if normalize else 1
        keep.append(f / total)
        added.append(i / total * min_candidate(n, candidate))
    return sum_of_discounted(keep, added)


@formula(name="sru")
@formula(name="sru", peephole=False)
def sru(w: GateWeights, x: Tensor, peephole: bool = True) -> Tensor:
    W, W_f, W_r, *projection = gates(w.W_F)
    b_f, b_r = gates(w.bias)
    zero = torch.zeros(H, dtype=x.dtype)
    v_f, v_r = (w.own["v_forget"], w.own["v_reset"]) if peephole else (zero, zero)
    c, outputs = zero, []
    for x_t in x:
        f = sigmoid(W_f @ x_t + torch.diag(v_f) @ c + b_f)
        r = sigmoid(W_r @ x_t + torch.diag(v_r) @ c + b_r)
        c = torch.lerp(W @ x_t, c, f)
        outputs.append(torch.lerp(projection[0] @ x_t if projection else x_t, c, r))
    return torch.stack(outputs)


@formula(name="qrnn")
@formula(name="qrnn", window=4)
def qrnn(w: GateWeights, x: Tensor, window: int = 2) -> Tensor:
    kernel = torch.stack([*reversed(w.W_F_back), w.W_F], dim=-1)  # (3H, I, k), the oldest first
    padded = F.pad(x.T, (window - 1, 0))
    z, forget, output = F.conv1d(padded, kernel, w.bias).mT.split(H, dim=-1)  # each (T, H)
    c = sum_of_discounted(list(sigmoid(forget)), list(sigmoid(-forget) * tanh(z)))
    return sigmoid(output) * c


@pytest.mark.parametrize("input_size", [2, H])
@pytest.mark.parametrize("name", FORMULAS)
def test_a_cell_computes_its_papers_equations(name: str, input_size: int) -> None:
    cell, function = FORMULAS[name]
    stack, x = constant_stack(cell, input_size), numbers(B, T, input_size, start=40)
    found, _ = stack(x)
    wanted = torch.stack([function(stack.layers[0][0].weights, row) for row in x])
    torch.testing.assert_close(found, wanted, rtol=0, atol=CLOSE)


def test_normalised_gates_sum_to_one_where_both_vanish() -> None:
    stack = RecurrentStack({"name": "min_lstm"}, 1, 1)
    weights = stack.layers[0][0].weights
    with torch.no_grad():
        weights.W_F.zero_()
        weights.bias.copy_(torch.tensor([-200.0, -200.0, 1.0]))  # f = i = 0 in float32
    output, _ = stack(torch.ones(1, 3, 1))
    torch.testing.assert_close(output.flatten(), torch.tensor([0.5, 0.75, 0.875]))

"""The traced equations run by torch itself, over time: slow, and differentiable as often as wanted.

The backward pass of a backward pass has no generated code; it goes through here.
Letters: B batch, T time, I input size, H hidden size.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from seqline_plugins.recurrence.generated.graph import Equations, Node, in_order

TORCH: dict[str, Callable[..., Any]] = {
    "add": torch.add,
    "sub": torch.sub,
    "mul": torch.mul,
    "div": torch.div,
    "neg": torch.neg,
    "abs": torch.abs,
    "exp": torch.exp,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "log": torch.log,
    "log1p": torch.log1p,
    "sqrt": torch.sqrt,
    "sin": torch.sin,
    "cos": torch.cos,
    "erf": torch.erf,
    "max": torch.maximum,
    "min": torch.minimum,
    "less": lambda a, b: (a < b).to(a.dtype),
    "at_most": lambda a, b: (a <= b).to(a.dtype),
    "equal": lambda a, b: (a == b).to(a.dtype),
    "where": lambda mask, a, b: torch.where(mask != 0, a, b),
    "stop": torch.Tensor.detach,
    "sum": lambda a: a.sum(-1, keepdim=True),
}


def run_equations(
    equations: Equations,
    x: Tensor,
    W_F: Tensor,
    bias: Tensor,
    W_R: Sequence[Tensor],
    owns: Sequence[Tensor],
    noises: Sequence[Tensor],
    initial: Sequence[Tensor],
    lengths: Tensor | None,
    reverse: bool,
) -> tuple[Tensor, ...]:
    """Return the outputs (B, T, H) and the last states, each (B, H)."""
    B, T, _ = x.shape
    H = initial[0].shape[1]
    fed = F.linear(x, W_F, bias)
    order = in_order(equations.new.values())
    matrices = {
        id(node): W_R[p][g * H : (g + 1) * H]
        for p, product in enumerate(equations.products)
        for g, node in enumerate(product.nodes)
    }
    known = {("own", name): own for name, own in zip(equations.owns, owns, strict=True)}
    length = x.new_full((B,), T, dtype=torch.int64) if lengths is None else lengths.to(x.device)
    rows = torch.arange(B, device=x.device)
    state = dict(zip(equations.states, initial, strict=True))
    steps: list[Tensor] = []
    places: list[Tensor] = []
    for t in range(T):
        place = (length - 1 - t if reverse else torch.full_like(length, t)).clamp(min=0)
        parts = fed[rows, place].split(H, -1)
        read = known | {("fed", g): part for g, part in zip(equations.gates, parts, strict=False)}
        read |= {("noise", n): one[:, t] for n, one in zip(equations.noises, noises, strict=True)}
        read |= {("state", name): one for name, one in state.items()}
        found = _one_step(order, matrices, read | {("input", ""): x[rows, place]})
        valid = (length > t).unsqueeze(-1)
        new = {n: found[id(node)].expand(B, H) for n, node in equations.new.items()}
        state = {name: torch.where(valid, new[name], state[name]) for name in state}
        steps.append(state[equations.states[0]] * valid)
        places.append(torch.where(length > t, place, torch.full_like(place, t)))
    output = torch.zeros_like(torch.stack(steps, 1))
    where = torch.stack(places, 1).unsqueeze(-1).expand(B, T, H)
    return (output.scatter(1, where, torch.stack(steps, 1)), *state.values())


def _one_step(
    order: Sequence[Node],
    matrices: Mapping[int, Tensor],
    read: Mapping[tuple[str, Any], Tensor],
) -> dict[int, Tensor]:
    value: dict[int, Tensor] = {}
    like = next(tensor for (kind, _), tensor in read.items() if kind == "state")
    for node in order:
        args = [value[id(arg)] for arg in node.args]
        if (node.op, node.value) in read:
            found = read[node.op, node.value]
        elif node.op == "constant":
            found = like.new_tensor(float(node.value))
        elif node.op == "inverse_hidden":
            found = like.new_tensor(1 / like.shape[1])
        elif node.op == "product":
            found = F.linear(args[0], matrices[id(node)])
        elif node.op == "power":
            found = args[0] ** float(node.value)
        else:
            found = TORCH[node.op](*args)
        value[id(node)] = found
    return value

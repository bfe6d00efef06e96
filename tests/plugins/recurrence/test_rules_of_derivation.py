"""Every operation's derivative by generated code is torch's own: many operations, few cells."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from networks import inputs
from torch import Tensor

from seqline_plugins.cell import GatedCell, Timestep
from seqline_plugins.recurrence.generated.derive import RULES
from seqline_plugins.recurrence.kernels import Kernel
from seqline_plugins.recurrence.weights import GateWeights

H = 5
COARSE = {"hardsigmoid": 1e-7}  # torch takes a sixth of float32 for it, in float64 too
Operation = Callable[[Tensor, Tensor], Tensor]

RULED: dict[str, Operation] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / (b * b + 1),
    "neg": lambda a, b: -a * b,
    "abs": lambda a, b: a.abs() * b,
    "exp": lambda a, b: a.exp() * b,
    "tanh": lambda a, b: a.tanh() * b,
    "sigmoid": lambda a, b: a.sigmoid() * b,
    "log": lambda a, b: torch.log(a * a + 0.5) * b,
    "log1p": lambda a, b: torch.log1p(a * a) * b,
    "sqrt": lambda a, b: torch.sqrt(a * a + 0.5) * b,
    "sin": lambda a, b: a.sin() * b,
    "cos": lambda a, b: a.cos() * b,
    "erf": lambda a, b: a.erf() * b,
    "power": lambda a, b: (a * a + 0.5) ** 2.5 * b,
    "max": torch.maximum,
    "min": torch.minimum,
    "where": lambda a, b: torch.where(a < b, a * a, b),
}
COMPOSED: dict[str, Operation] = {
    "stop": lambda a, b: a.detach() * b,
    "equal operands": lambda a, b: torch.maximum(a, a) * b,
    "comparisons": lambda a, b: torch.where((a <= b) & (a > 0) | (b != 0) & ~(a >= b), a, b * a),
    "relu": lambda a, b: F.relu(a) * b,
    "leaky_relu": lambda a, b: F.leaky_relu(a, 0.1) * b,
    "elu": lambda a, b: F.elu(a, 1.5) + b,
    "selu": lambda a, b: F.selu(a) + b,
    "silu": lambda a, b: F.silu(a) + b,
    "gelu": lambda a, b: F.gelu(a) + b,
    "gelu by tanh": lambda a, b: F.gelu(a, approximate="tanh") + b,
    "softplus": lambda a, b: F.softplus(a, beta=2.0) + b,
    "logsigmoid": lambda a, b: F.logsigmoid(a) + b,
    "softsign": lambda a, b: F.softsign(a) + b,
    "clamp": lambda a, b: a.clamp(-0.3, 0.4) * b,
    "clamp by one side": lambda a, b: a.clamp_min(0.1) * b.clamp_max(0.2),
    "hardtanh": lambda a, b: F.hardtanh(a) * b,
    "hardsigmoid": lambda a, b: F.hardsigmoid(a) * b,
    "expm1": lambda a, b: torch.expm1(a) * b,
    "small powers": lambda a, b: a**2 + b**3 + (a * a + 1) ** 0.5 + 2 * a**4,
    "reciprocal": lambda a, b: (a * a + 1).reciprocal() * torch.rsqrt(b * b + 1),
    "lerp": lambda a, b: torch.lerp(a, b, 0.3) + torch.lerp(a, b, a),
    "addcmul": lambda a, b: torch.addcmul(a, a, b, value=0.5),
    "addcdiv": lambda a, b: torch.addcdiv(a, a, b * b + 1, value=0.5),
    "from the right": lambda a, b: (2 - a) / (3 + b * b),
    "likes": lambda a, b: torch.ones_like(a) * b + torch.zeros_like(b) * a,
    "sum": lambda a, b: a.sum(-1, keepdim=True) * b,
    "mean": lambda a, b: a.mean(-1, keepdim=True) + b,
    "layer_norm": lambda a, b: F.layer_norm(a, (H,)) * b,
}


def cell_of(operations: dict[str, Operation]) -> GatedCell:
    """Return a cell with a state for every operation: one compilation for all."""

    class Cell(GatedCell):
        gates = ("a", "b")
        state = ("h", *operations)

        def equations(self, t: Timestep) -> dict[str, Tensor]:
            a, b = t.x.a + 0.5 * t.state.h, t.x.b + t.h.b
            found = {n: do(a, b) + 0.5 * t.state[n] for n, do in operations.items()}
            return {"h": torch.tanh(a) * b, **found}

    return Cell()


def gradients(cell: GatedCell, kernel: str) -> dict[str, tuple[Tensor, ...]]:
    """Return of every state its last value and its gradient by x and all weights."""
    torch.manual_seed(3)
    weights, x = GateWeights(cell, 3, H).double(), inputs(2, 3, 3).requires_grad_()
    state = {name: x.new_zeros(2, H) for name in cell.state}
    served = Kernel(cell, kernel)
    _, last = served.run(weights, x, torch.tensor([3, 2]), state)
    assert served.served == kernel
    by = [x, *(p for p in weights.parameters() if p.numel())]
    found = {}
    for name, value in last.items():
        grads = torch.autograd.grad(
            value.square().sum(), by, retain_graph=True, materialize_grads=True
        )
        found[name] = (value.detach(), *grads)
    return found


@pytest.mark.parametrize("operations", [RULED, COMPOSED], ids=["ruled", "composed"])
@pytest.mark.debian("g++")
def test_derivatives_are_torchs(operations: dict[str, Operation]) -> None:
    cell = cell_of(operations)
    found, wanted = gradients(cell, "generated"), gradients(cell, "reference")
    wrong = []
    for name, tensors in wanted.items():
        rtol = COARSE.get(name, 1e-10)
        for mine, theirs in zip(found[name], tensors, strict=True):
            if not torch.allclose(mine, theirs, rtol=rtol, atol=rtol / 100):
                wrong.append(f"{name}: {float((mine - theirs).abs().max()):g} apart")
        assert any(float(t.abs().max()) > 0 for t in tensors[1:])
    assert not wrong


def test_every_rule_is_among_them() -> None:
    assert RULES.keys() == RULED.keys()


@pytest.mark.debian("g++")
def test_words_of_the_source_may_be_names_of_the_cell() -> None:
    class Words(GatedCell):
        gates = ("double", "j")

        def equations(self, t: Timestep) -> dict[str, Tensor]:
            left, s, r = torch.tanh(t.x.double), torch.sigmoid(t.h.j), t.x.j + t.h.double
            double, tanh = left * s, torch.tanh(r)
            REAL, σ, sum_0, _Vector = double + tanh, double * tanh, tanh * 2, s * s
            total = (REAL * σ).mean(-1, keepdim=True)
            int, load = sum_0 + total, _Vector * left  # noqa: A001
            x_j, state_h = int * load + REAL, σ + t.state.h
            return {"h": x_j * state_h}

    cell: Any = Words()
    found, wanted = gradients(cell, "generated"), gradients(cell, "reference")
    for mine, theirs in zip(found["h"], wanted["h"], strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-10, atol=1e-12)

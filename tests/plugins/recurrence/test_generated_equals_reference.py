"""The generated code computes what the reference loop does, outputs and gradients."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from drawn_cells import Drawn, drawn_cells
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from networks import (
    ALL_CELLS,
    assert_close,
    gradient,
    inputs,
    random_state,
    results,
    stack_of,
    title,
    twin,
)
from torch import Tensor

from seqline_plugins.cell import GatedCell
from seqline_plugins.recurrence.kernels import Kernel
from seqline_plugins.recurrence.weights import GateWeights

pytestmark = pytest.mark.debian("g++")

CLOSE = 1e-10
GENERATED = [cell for cell in ALL_CELLS if cell["name"] not in ("counter", "mixed")]
each_cell = pytest.mark.parametrize("cell", GENERATED, ids=title)
SHAPES = [  # B, T, I, H, lengths
    (1, 1, 2, 2, None),
    (3, 5, 3, 4, [5, 0, 2]),
    (4, 7, 1, 6, None),
    (5, 9, 6, 22, [9, 3, 4, 1, 9]),
    (2, 3, 40, 34, None),
]


@each_cell
@pytest.mark.parametrize("direction", ["forward", "backward", "both"])
def test_outputs_and_gradients_agree(cell: dict[str, Any], direction: str) -> None:
    for B, T, I, H, lengths in SHAPES:
        reference = stack_of(cell, I, H, kernel="reference", direction=direction)
        generated = twin(reference, cell, kernel="generated", direction=direction)
        x = inputs(B, T, I)
        for state in (None, random_state(reference, B)):
            wanted = results(reference, x, lengths, state)
            assert_close(results(generated, x, lengths, state), wanted, CLOSE)
        assert generated.served == {"generated"}


@each_cell
def test_two_threads_agree_and_repeat_their_bits(cell: dict[str, Any]) -> None:
    reference = stack_of(cell, 40, 34, kernel="reference", num_layers=2)
    generated = twin(reference, cell, kernel="generated", num_layers=2)
    x, lengths = inputs(9, 12, 40), [12, 7, 12, 1, 0, 9, 4, 12, 2]
    wanted = results(reference, x, lengths)
    torch.set_num_threads(2)
    first, second = results(generated, x, lengths), results(generated, x, lengths)
    assert_close(first, wanted, CLOSE)
    assert all(torch.equal(first[name], second[name]) for name in first)


def run(
    cell: GatedCell, weights: GateWeights, kernel: str, x: Tensor, lengths: Any, backward: bool
) -> dict[str, Tensor]:
    """Return outputs, last states and all gradients of one layer."""
    H = weights.hidden_size
    names = [f"state {name}" for name in cell.state]
    initial = [inputs(x.shape[0], 1, H, seed=s)[:, 0].to(x.dtype) for s in range(len(names))]
    state = {n: i.tanh().requires_grad_() for n, i in zip(cell.state, initial, strict=True)}
    weights.zero_grad()
    x = x.clone().requires_grad_()
    served = Kernel(cell, kernel)
    output, last = served.run(weights, x, lengths, state, backward=backward)
    assert served.served == kernel
    numbers = torch.cos(torch.arange(output[0].numel(), dtype=x.dtype)).view_as(output[0])
    (output * numbers).sum().backward(retain_graph=True)
    sum((tensor * tensor).sum() for tensor in last.values()).backward()
    found = {"output": output, "x.grad": gradient(x), **last}
    found |= {f"grad {name}": gradient(p) for name, p in weights.named_parameters()}
    found |= {n: gradient(t) for n, t in zip(names, state.values(), strict=True)}
    return {name: tensor.detach() for name, tensor in found.items()}


def check(drawn: Drawn, case: dict[str, Any]) -> None:
    torch.manual_seed(case["seed"])
    cell = drawn.cell()
    weights = GateWeights(cell, case["I"], case["H"]).double()
    lengths = None if case["lengths"] is None else torch.tensor(case["lengths"])
    B, T = case["B"], case["T"]
    for dtype, bound in ((torch.float64, CLOSE), (torch.float32, 2e-3)):
        x = inputs(B, T, case["I"], case["seed"]).to(dtype)
        weights.to(dtype)
        wanted = run(cell, weights, "reference", x, lengths, case["backward"])
        found = run(cell, weights, "generated", x, lengths, case["backward"])
        scale = max(1.0, *(float(t.abs().max()) for t in wanted.values() if t.numel()))
        assert_close(found, wanted, bound * scale)


@st.composite
def cases(draw: st.DrawFn) -> dict[str, Any]:
    size = st.sampled_from([1, 2, 3, 5, 7])
    batch, steps = draw(size), draw(size)
    lengths = st.lists(st.integers(0, steps), min_size=batch, max_size=batch)
    return {
        "B": batch,
        "T": steps,
        "I": draw(size),
        "H": draw(st.sampled_from([2, 4, 6, 18, 34])),
        "lengths": draw(st.none() | lengths),
        "backward": draw(st.booleans()),
        "seed": draw(st.integers(0, 10**6)),
    }


quiet = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large]


@given(drawn_cells(), cases())
@settings(max_examples=20, deadline=None, suppress_health_check=quiet, derandomize=True)
def test_any_equations_agree(drawn: Drawn, case: dict[str, Any]) -> None:
    check(drawn, case)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@given(drawn_cells(), cases())
@settings(max_examples=500, deadline=None, suppress_health_check=quiet)
def test_five_hundred_equations_agree(drawn: Drawn, case: dict[str, Any]) -> None:
    check(drawn, case)

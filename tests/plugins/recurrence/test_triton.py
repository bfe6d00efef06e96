"""The Triton kernels compute what the reference loop does: on a GPU, else interpreted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from drawn_cells import Drawn, drawn_cells
from hypothesis import given, settings
from networks import ALL_CELLS, assert_close, inputs, title
from test_generated_equals_reference import CLOSE, cases, quiet
from torch import Tensor

from seqline_plugins import Gate
from seqline_plugins.build import build_cell
from seqline_plugins.cell import GatedCell
from seqline_plugins.recurrence.generated.plan import make_plan
from seqline_plugins.recurrence.generated.trace import trace
from seqline_plugins.recurrence.kernels import Kernel
from seqline_plugins.recurrence.weights import GateWeights

pytest.importorskip("triton", reason="Triton is not installed (the extra 'gpu')")

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
GENERATED = [cell for cell in ALL_CELLS if cell["name"] not in ("counter", "mixed")]
each_cell = pytest.mark.parametrize("cell", GENERATED, ids=title)


def results(
    run: Any, cell: GatedCell, weights: GateWeights, x: Tensor, lengths: Any, **options: Any
) -> dict[str, Tensor]:
    """Return outputs, last states and all gradients of one layer."""
    B, H = x.shape[0], weights.hidden_size
    state = {n: inputs(B, 1, H, seed=s)[:, 0].tanh().to(x) for s, n in enumerate(cell.state)}
    state |= {name: past + 0.5 for name, past in weights.initial_past(B).items()}
    for tensor in state.values():
        tensor.requires_grad_()
    weights.zero_grad()
    x = x.clone().requires_grad_()
    output, last = run(cell, weights, x, lengths, state, **options)
    numbers = torch.cos(torch.arange(output[0].numel(), dtype=x.dtype, device=DEVICE)).view_as(
        output[0]
    )
    loss = (output * numbers).sum() + sum((last[name] ** 2).sum() for name in cell.state)
    loss.backward()
    every = {"x": x, **dict(weights.named_parameters()), **state}
    found = {
        f"grad {n}": torch.zeros_like(t) if t.grad is None else t.grad for n, t in every.items()
    }
    found |= {"output": output, **{name: last[name] for name in cell.state}}
    return {name: tensor.detach().clone() for name, tensor in found.items()}


def of_kernel(kernel: str) -> Any:
    def run(
        cell: GatedCell, weights: GateWeights, x: Any, lengths: Any, state: Any, **o: Any
    ) -> Any:
        return Kernel(cell, kernel).run(
            weights, x, lengths, state, backward=o.get("reverse", False)
        )

    return run


def of_triton(
    cell: GatedCell, weights: GateWeights, dtype: torch.dtype = torch.float64, *, fused: bool = True
) -> Any:
    """Return what runs a cell by Triton, the loop over time in one launch where that may be."""
    from seqline_plugins.recurrence.generated.gpu.program import FUSED_BYTES, Program
    from seqline_plugins.recurrence.generated.gpu.run import run_on_gpu

    equations = trace(cell, weights.input_size, weights.hidden_size)
    plan = make_plan(equations, reads_output=False)
    return partial(run_on_gpu, Program(plan, dtype, FUSED_BYTES if fused else 0))


def layer(cell: dict[str, Any], I: int, H: int) -> tuple[GatedCell, GateWeights]:
    torch.manual_seed(0)
    built = build_cell(cell, I, H)
    assert isinstance(built, GatedCell)
    return built, GateWeights(built, I, H).double().to(DEVICE)


@each_cell
@pytest.mark.parametrize("fused", [True, False], ids=["fused", "stepwise"])
def test_outputs_and_gradients_agree(cell: dict[str, Any], fused: bool) -> None:
    for B, T, I, H, lengths in ((3, 3, 2, 6, [3, 0, 2]), (1, 1, 6, 6, None)):
        built, weights = layer(cell, I, H)
        x, reverse = inputs(B, T, I).to(DEVICE), weights.window == 1 and fused
        bounds = None if lengths is None else torch.tensor(lengths, device=DEVICE)
        wanted = results(of_kernel("reference"), built, weights, x, bounds, reverse=reverse)
        found = results(
            of_triton(built, weights, fused=fused), built, weights, x, bounds, reverse=reverse
        )
        assert_close(found, wanted, CLOSE)


@given(drawn_cells(), cases())
@settings(max_examples=12, deadline=None, suppress_health_check=quiet, derandomize=True)
def test_any_equations_agree(drawn: Drawn, case: dict[str, Any]) -> None:
    check(drawn, case)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@given(drawn_cells(), cases())
@settings(max_examples=100, deadline=None, suppress_health_check=quiet)
def test_a_hundred_equations_agree(drawn: Drawn, case: dict[str, Any]) -> None:
    check(drawn, case)


def check(drawn: Drawn, case: dict[str, Any]) -> None:
    torch.manual_seed(case["seed"])
    cell = drawn.cell()
    weights = GateWeights(cell, case["I"], case["H"]).double().to(DEVICE)
    lengths = None if case["lengths"] is None else torch.tensor(case["lengths"], device=DEVICE)
    x = inputs(case["B"], min(case["T"], 3), case["I"], case["seed"]).to(DEVICE)
    options = {"reverse": case["backward"]}
    lengths = None if lengths is None else lengths.clamp(max=x.shape[1])
    wanted = results(of_kernel("reference"), cell, weights, x, lengths, **options)
    run = of_triton(cell, weights, fused=case["seed"] % 2 == 0)
    found = results(run, cell, weights, x, lengths, **options)
    scale = max(1.0, *(float(t.abs().max()) for t in wanted.values() if t.numel()))
    assert_close(found, wanted, CLOSE * scale)


each_form = pytest.mark.parametrize("fused", [True, False], ids=["fused", "stepwise"])


@each_form
@pytest.mark.parametrize("name", ["lstm", "layer_norm_lstm"])
def test_padding_changes_nothing_whatever_stands_in_it(name: str, fused: bool) -> None:
    built, weights = layer({"name": name}, 2, 4)
    run, lengths = of_triton(built, weights, fused=fused), torch.tensor([3, 1], device=DEVICE)
    x = inputs(2, 3, 2).to(DEVICE)
    x[1, 1:] = float("nan")
    wider = torch.cat([x, torch.full_like(x, float("nan"))], dim=1)
    found = run_without_loss(run, built, weights, x, lengths)
    padded = run_without_loss(run, built, weights, wider, lengths)
    assert not padded["output"][:, 3:].any()
    assert all(found[name].isfinite().all() for name in found)
    assert any(name.startswith("grad") for name in found)
    padded["output"] = padded["output"][:, :3]
    assert_close(padded, found, CLOSE)  # torch's product rounds by the number of its rows


def run_without_loss(
    run: Any, cell: GatedCell, weights: GateWeights, x: Tensor, lengths: Tensor
) -> dict[str, Tensor]:
    """Return outputs, last states and the weights' gradients, all outputs summed."""
    weights.zero_grad()
    state = {n: torch.zeros_like(x[:, 0, :1]).repeat(1, weights.hidden_size) for n in cell.state}
    output, last = run(cell, weights, x, lengths, state)
    output.sum().backward()
    grads = {f"grad {n}": p.grad for n, p in weights.named_parameters() if p.grad is not None}
    return {"output": output.detach(), **last, **{n: g.clone() for n, g in grads.items()}}


@each_form
def test_a_budget_runs_chunks_again_with_the_same_results(fused: bool) -> None:
    built, weights = layer({"name": "peephole_lstm"}, 2, 4)
    x, lengths = inputs(2, 5, 2).to(DEVICE), torch.tensor([5, 2], device=DEVICE)
    run = of_triton(built, weights, fused=fused)
    wanted = results(run, built, weights, x, lengths)
    assert_close(results(run, built, weights, x, lengths, budget=1), wanted, CLOSE)


@each_form
def test_a_second_backward_pass_finds_the_same_gradients(fused: bool) -> None:
    built, weights = layer({"name": "lstm"}, 2, 4)
    state = {name: torch.zeros(2, 4, dtype=torch.float64, device=DEVICE) for name in built.state}
    x = inputs(2, 3, 2).to(DEVICE)
    output, _ = of_triton(built, weights, fused=fused)(built, weights, x, None, state)
    first = torch.autograd.grad(
        output.sum(), list(weights.parameters()), retain_graph=True, allow_unused=True
    )
    again = torch.autograd.grad(output.sum(), list(weights.parameters()), allow_unused=True)
    assert any(grad is not None and grad.any() for grad in first)
    for one, other in zip(first, again, strict=True):
        assert one is other is None or torch.equal(one, other)


def test_the_gradient_of_a_gradient_is_that_of_the_reference() -> None:
    built, weights = layer({"name": "gru"}, 2, 3)
    state = {"h": torch.zeros(1, 3, dtype=torch.float64, device=DEVICE)}

    def second(run: Any) -> Tensor:
        x = inputs(1, 2, 2).to(DEVICE).requires_grad_()
        output, _ = run(built, weights, x, None, state)
        (grad,) = torch.autograd.grad((output**2).sum(), x, create_graph=True)
        (found,) = torch.autograd.grad((grad**2).sum(), x)
        return found

    wanted = second(of_kernel("reference"))
    assert wanted.any()
    assert_close({"x": second(of_triton(built, weights))}, {"x": wanted}, CLOSE)


def test_calls_in_flight_do_not_disturb_each_other() -> None:
    built, weights = layer({"name": "gru"}, 2, 4)
    run = of_triton(built, weights, fused=False)
    state = {"h": torch.zeros(1, 4, dtype=torch.float64, device=DEVICE)}
    x, other = inputs(1, 3, 2).to(DEVICE), inputs(1, 3, 2, seed=5).to(DEVICE)
    parameters = [weights.W_F, weights.W_R]
    alone = torch.autograd.grad(run(built, weights, x, None, state)[0].sum(), parameters)
    first, _ = run(built, weights, x, None, state)
    kept = first.detach().clone()
    second, _ = run(built, weights, other, None, state)
    torch.autograd.grad(second.sum(), parameters)
    run(built, weights, other, None, state)[0].sum().backward()
    assert torch.equal(first, kept)
    for found, wanted in zip(torch.autograd.grad(first.sum(), parameters), alone, strict=True):
        assert torch.equal(found, wanted)


@each_form
def test_noise_is_the_same_as_the_references(fused: bool) -> None:
    built, weights = layer({"name": "zoneout"}, 2, 4)
    x = inputs(3, 4, 2).to(DEVICE)
    torch.manual_seed(4)
    wanted = results(of_kernel("reference"), built, weights, x, None)
    torch.manual_seed(4)
    assert_close(
        results(of_triton(built, weights, fused=fused), built, weights, x, None), wanted, CLOSE
    )


@each_form
@pytest.mark.parametrize("name", ["lstm", "layer_norm_lstm"])
def test_bfloat16_products_stay_near_float32(name: str, fused: bool) -> None:
    built, weights = layer({"name": name}, 3, 6)
    weights.float()
    x = inputs(2, 4, 3, dtype=torch.float32).to(DEVICE)
    wanted = results(of_triton(built, weights, torch.float32, fused=fused), built, weights, x, None)
    found = results(of_triton(built, weights, torch.bfloat16, fused=fused), built, weights, x, None)
    assert found["output"].dtype == torch.float32
    assert not torch.equal(found["output"], wanted["output"])
    for n in wanted:
        apart = (found[n] - wanted[n]).norm()
        assert apart <= 0.05 * wanted[n].norm() + 1e-3, f"{n}: {apart}"


@pytest.mark.parametrize("dtype, bound", [(torch.float32, 4e-7), (torch.float64, 1e-15)])
def test_functions_of_our_own_lose_no_digits(dtype: torch.dtype, bound: float) -> None:
    from seqline_plugins.recurrence.generated.gpu.program import interpreted

    class Both(GatedCell):
        gates = (Gate("a", recurrent="none", bias=False), Gate("b", recurrent="none", bias=False))
        state = ("h", "s")

        def equations(self, t: Any) -> dict[str, Tensor]:
            return {"h": torch.tanh(t.x.a), "s": torch.log1p(torch.exp(t.x.b))}

    assert interpreted() is (DEVICE == "cpu")
    cell = Both()
    weights = GateWeights(cell, 64, 32).to(dtype).to(DEVICE)
    spread = torch.cat([torch.logspace(-12, 1.3, 32), -torch.logspace(-12, 1.3, 32)]).to(dtype)
    with torch.no_grad():
        weights.W_F.copy_(torch.cat([spread.diag()[:32], spread.diag()[32:]]))
    x = torch.ones(1, 1, 64, dtype=dtype, device=DEVICE)
    state = {name: torch.zeros(1, 32, dtype=dtype, device=DEVICE) for name in cell.state}
    with torch.no_grad():
        _, last = of_triton(cell, weights, dtype)(cell, weights, x, None, state)
    exact = {
        "h": torch.tanh(spread[:32].double()),
        "s": torch.log1p(torch.exp(spread[32:].double())),
    }
    for name, wanted in exact.items():
        apart = ((last[name][0].double().cpu() - wanted) / wanted).abs().max()
        assert apart <= bound, f"{name}: {apart}"


SHARED = {80: 163 * 1024, 90: 227 * 1024}
"""Bytes of shared memory that a program may have, by the capability of a GPU."""


@pytest.mark.slow
@pytest.mark.parametrize("capability", SHARED)
@pytest.mark.parametrize(
    "cell, hidden, dtype, form",
    [
        ({"name": "lstm"}, 128, "bfloat16", "fused"),
        ({"name": "lstm"}, 64, "float32", "fused"),
        ({"name": "min_gru"}, 1000, "float32", "fused"),
        ({"name": "gru", "reset_after": False}, 256, "float32", "stepwise"),
        ({"name": "layer_norm_lstm"}, 1024, "bfloat16", "stepwise"),
        ({"name": "peephole_lstm"}, 33, "float64", "stepwise"),
    ],
    ids=str,
)
def test_kernels_compile_for_gpus_that_are_not_there(
    cell: dict[str, Any], hidden: int, dtype: str, form: str, capability: int
) -> None:
    driver = Path(__file__).with_name("compile_for_gpu.py")
    kept = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    command = [
        sys.executable,
        str(driver),
        json.dumps(cell),
        str(hidden),
        dtype,
        form,
        str(capability),
    ]
    done = subprocess.run(command, env=kept, capture_output=True, text=True, check=False)
    assert not done.returncode, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    assert len(lines) >= 3
    assert all(int(shared) <= SHARED[capability] for _, shared in lines)

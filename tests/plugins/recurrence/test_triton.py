"""The Triton kernels compute what the reference loop does; they run in Triton's interpreter."""

from __future__ import annotations

import os
from functools import partial
from typing import Any

import pytest
import torch
from drawn_cells import Drawn, drawn_cells
from hypothesis import given, settings
from networks import ALL_CELLS, assert_close, inputs, title
from test_generated_equals_reference import CLOSE, cases, quiet
from torch import Tensor

from seqline_plugins.build import build_cell
from seqline_plugins.cell import GatedCell
from seqline_plugins.recurrence.generated.plan import make_plan
from seqline_plugins.recurrence.generated.trace import trace
from seqline_plugins.recurrence.kernels import Kernel
from seqline_plugins.recurrence.weights import GateWeights

pytest.importorskip("triton", reason="Triton is not installed (the extra 'gpu')")
pytestmark = pytest.mark.skipif(
    os.environ.get("TRITON_INTERPRET") != "1", reason="needs TRITON_INTERPRET=1"
)

GENERATED = [cell for cell in ALL_CELLS if cell["name"] not in ("counter", "mixed")]
each_cell = pytest.mark.parametrize("cell", GENERATED, ids=title)


def results(
    run: Any, cell: GatedCell, weights: GateWeights, x: Tensor, lengths: Any, **options: Any
) -> dict[str, Tensor]:
    """Return outputs, last states and all gradients of one layer."""
    B, H = x.shape[0], weights.hidden_size
    state = {
        n: inputs(B, 1, H, seed=s)[:, 0].tanh().to(x.dtype) for s, n in enumerate(cell.state)
    }
    state |= {name: past + 0.5 for name, past in weights.initial_past(B).items()}
    for tensor in state.values():
        tensor.requires_grad_()
    weights.zero_grad()
    x = x.clone().requires_grad_()
    output, last = run(cell, weights, x, lengths, state, **options)
    numbers = torch.cos(torch.arange(output[0].numel(), dtype=x.dtype)).view_as(output[0])
    loss = (output * numbers).sum() + sum((last[name] ** 2).sum() for name in cell.state)
    loss.backward()
    every = {"x": x, **dict(weights.named_parameters()), **state}
    found = {f"grad {n}": torch.zeros_like(t) if t.grad is None else t.grad for n, t in every.items()}
    found |= {"output": output, **{name: last[name] for name in cell.state}}
    return {name: tensor.detach().clone() for name, tensor in found.items()}


def of_kernel(kernel: str) -> Any:
    def run(cell: GatedCell, weights: GateWeights, x: Any, lengths: Any, state: Any, **o: Any) -> Any:
        return Kernel(cell, kernel).run(weights, x, lengths, state, backward=o.get("reverse", False))

    return run


def of_triton(
    cell: GatedCell, weights: GateWeights, dtype: torch.dtype = torch.float64, *, fused: bool = True
) -> Any:
    """Return what runs a cell by Triton, the loop over time in one launch where that may be."""
    from seqline_plugins.recurrence.generated.gpu.program import FUSED_BYTES, Program
    from seqline_plugins.recurrence.generated.gpu.run import run_on_gpu

    plan = make_plan(trace(cell, weights.input_size, weights.hidden_size))
    return partial(run_on_gpu, Program(plan, dtype, FUSED_BYTES if fused else 0))


def layer(cell: dict[str, Any], I: int, H: int) -> tuple[GatedCell, GateWeights]:
    torch.manual_seed(0)
    built = build_cell(cell, I, H)
    assert isinstance(built, GatedCell)
    return built, GateWeights(built, I, H).double()


@each_cell
@pytest.mark.parametrize("fused", [True, False], ids=["fused", "stepwise"])
def test_outputs_and_gradients_agree(cell: dict[str, Any], fused: bool) -> None:
    for B, T, I, H, lengths in ((3, 3, 2, 6, [3, 0, 2]), (1, 1, 6, 6, None)):
        built, weights = layer(cell, I, H)
        x, reverse = inputs(B, T, I), weights.window == 1 and fused
        bounds = None if lengths is None else torch.tensor(lengths)
        wanted = results(of_kernel("reference"), built, weights, x, bounds, reverse=reverse)
        found = results(
            of_triton(built, weights, fused=fused), built, weights, x, bounds, reverse=reverse
        )
        assert_close(found, wanted, CLOSE)

"""Padding and the other rows of a batch change nothing, neither results nor gradients."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from networks import ALL_CELLS, VENDOR_CELLS, assert_close, inputs, results, stack_of, title
from torch import Tensor

LENGTHS = [5, 0, 1, 3]
BOUND = {torch.float64: 1e-10, torch.float32: 1e-6}
CASES = [(cell, torch.float64) for cell in ALL_CELLS]
CASES += [({"name": name}, torch.float32) for name in ("rnn", "lstm", "gru", "mixed", "counter")]
each_cell = pytest.mark.parametrize(("cell", "dtype"), CASES)


def padding_of(x: Tensor, lengths: list[int]) -> Tensor:
    return (torch.arange(x.shape[1]) >= torch.tensor(lengths).unsqueeze(-1)).unsqueeze(-1)


def relative(found: dict[str, Tensor]) -> dict[str, Tensor]:
    """Divide by the largest value, where it is above 1: a bound for numbers of any size."""
    return {
        name: t / max(1.0, float(t.abs().max())) if t.numel() else t for name, t in found.items()
    }


@each_cell
def test_garbage_in_the_padding_changes_nothing(cell: dict[str, Any], dtype: torch.dtype) -> None:
    stack = stack_of(cell, direction="both", num_layers=2).to(dtype)
    x = inputs(4, 5, 3, dtype=dtype)
    padding = padding_of(x, LENGTHS)
    wanted = results(stack, x.masked_fill(padding, 0), LENGTHS)
    for garbage in (1e6, float("nan"), float("inf")):
        found = results(stack, x.masked_fill(padding, garbage), LENGTHS)
        assert_close(found, wanted, 0.0)
    assert not wanted["output"][padding.expand_as(wanted["output"])].any()
    assert not wanted["x.grad"][padding.expand_as(wanted["x.grad"])].any()


@each_cell
def test_more_padding_changes_nothing(cell: dict[str, Any], dtype: torch.dtype) -> None:
    stack = stack_of(cell, direction="both", num_layers=2).to(dtype)
    x = inputs(4, 5, 3, dtype=dtype)
    wanted = results(stack, x, LENGTHS)
    wider = torch.cat([x, torch.full((4, 6, 3), 9.0, dtype=dtype)], dim=1)
    found = results(stack, wider, LENGTHS)
    for name in ("output", "x.grad"):
        assert not found[name][:, 5:].any()
        found[name] = found[name][:, :5]
    assert_close(relative(found), relative(wanted), BOUND[dtype])


@each_cell
def test_batch_mates_change_nothing(cell: dict[str, Any], dtype: torch.dtype) -> None:
    stack = stack_of(cell, direction="both", num_layers=2).to(dtype)
    x = inputs(4, 5, 3, dtype=dtype)
    together = results(stack, x, LENGTHS)
    alone = [results(stack, x[row : row + 1], LENGTHS[row : row + 1]) for row in range(4)]
    per_row = {name for name in together if not name.startswith("grad ")}
    joined = {name: torch.cat([one[name] for one in alone]) for name in per_row}
    wanted = {name: together[name] for name in per_row}
    if dtype == torch.float64:  # in float32 the order of a sum over rows is worth more than 1e-6
        joined |= {name: sum(one[name] for one in alone) for name in together.keys() - per_row}
        wanted = together
    assert_close(relative(joined), relative(wanted), BOUND[dtype])


@pytest.mark.parametrize("cell", VENDOR_CELLS[:4], ids=title)
@pytest.mark.parametrize("kernel", ["reference", "vendor"])
def test_a_row_of_no_steps_keeps_its_initial_state(cell: dict[str, Any], kernel: str) -> None:
    stack = stack_of(cell, direction="both", kernel=kernel)
    before = {name: torch.rand_like(t) for name, t in stack.initial_state(2).items()}
    output, after = stack(inputs(2, 3, 3), torch.tensor([0, 2]), before)
    assert not output[0].any()
    for name, tensor in before.items():
        assert torch.equal(after[name][0], tensor[0])
        assert not torch.equal(after[name][1], tensor[1])


def test_a_mask_in_half_precision_holds_the_memory_still() -> None:
    stack = stack_of({"name": "lstm"}, kernel="vendor").to(torch.bfloat16)
    x = inputs(2, 9, 3, dtype=torch.bfloat16)
    _, after = stack(x, torch.tensor([2, 9]))
    _, short = stack(x[:, :2], torch.tensor([2, 2]))
    assert torch.equal(after["layer0.forward.c"][0], short["layer0.forward.c"][0])

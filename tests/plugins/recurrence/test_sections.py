"""Cells of independent units that keep nothing run some units and rows at a time."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from networks import assert_close, inputs, random_state, results, stack_of, title, twin

pytestmark = pytest.mark.debian("g++")

I, H, T = 1100, 120, 500
"""So many inputs that a section has few units, so many steps that it has few rows."""
LENGTHS = [T, 100, T, 0, 470]
CELLS: list[dict[str, Any]] = [
    {"name": "ind_rnn"},
    {"name": "ind_rnn", "nonlinearity": "tanh"},
]


@pytest.fixture(autouse=True)
def two_threads() -> None:
    torch.set_num_threads(2)


@pytest.mark.parametrize(("cell", "lengths"), zip(CELLS, [None, LENGTHS], strict=True), ids=str)
def test_sections_together_are_the_whole(cell: dict[str, Any], lengths: list[int] | None) -> None:
    reference = stack_of(cell, I, H, kernel="reference", direction="backward")
    generated = twin(reference, cell, kernel="generated", direction="backward")
    x, state = inputs(5, T, I), random_state(reference, 5)
    found = results(generated, x, lengths, state)
    assert_close(found, results(reference, x, lengths, state), 1e-9)
    (program,) = generated.layers[0][0].kernel._programs.values()  # type: ignore[index, union-attr]
    library = program.args[0]
    assert library.tape_stride(I, H) < library.tape_stride(3, H)  # a section's units
    assert all(torch.equal(v, found[k]) for k, v in results(generated, x, lengths, state).items())
    with torch.no_grad():
        bounds = None if lengths is None else torch.tensor(lengths)
        assert torch.equal(generated(x, bounds, state)[0], found["output"])


@pytest.mark.parametrize("cell", CELLS, ids=title)
def test_more_padding_of_a_section_changes_no_bit(cell: dict[str, Any]) -> None:
    stack = stack_of(cell, I, H, kernel="generated")
    x = inputs(5, T, I)
    wider = torch.cat([x, torch.full((5, 90, I), 9.0, dtype=x.dtype)], dim=1)
    wanted, found = results(stack, x, LENGTHS), results(stack, wider, LENGTHS)
    for name in ("output", "x.grad"):
        found[name] = found[name][:, :T]
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)


@pytest.mark.parametrize("name", ["layer_norm_lstm", "min_gru"])
def test_cells_that_look_across_or_keep_values_have_no_sections(name: str) -> None:
    stack = stack_of({"name": name}, I, H, kernel="generated")
    stack(inputs(1, 2, I))
    (program,) = stack.layers[0][0].kernel._programs.values()  # type: ignore[index, union-attr]
    library = program.args[0]
    assert library.tape_stride(I, H) == library.tape_stride(3, H)

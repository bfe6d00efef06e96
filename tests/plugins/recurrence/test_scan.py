"""The parallel scan computes what the loop does, for cells that are linear in their state."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from networks import ALL_CELLS, assert_close, inputs, random_state, results, stack_of, title, twin

from seqline_plugins import UserError
from seqline_plugins.build import build_cell
from seqline_plugins.recurrence import choice, kernels
from seqline_plugins.recurrence.scan import is_linear, scan

LINEAR: list[dict[str, Any]] = [
    {"name": "min_gru"},
    {"name": "min_gru", "candidate": "positive"},
    {"name": "min_lstm"},
    {"name": "min_lstm", "candidate": "positive", "normalize": False},
    {"name": "sru", "peephole": False},
    {"name": "qrnn"},
    {"name": "qrnn", "window": 4},
    {"name": "memory"},
]
each_linear = pytest.mark.parametrize("cell", LINEAR, ids=title)


def test_linear_cells_are_recognised_by_their_equations() -> None:
    gated = [cell for cell in ALL_CELLS if cell["name"] != "counter"]
    found = [cell for cell in gated if is_linear(build_cell(cell, 4, 4), 4, 4)]
    assert sorted(map(title, found)) == sorted(map(title, LINEAR))


@pytest.mark.parametrize("T", [1, 2, 3, 7, 8, 33])
def test_the_scan_is_the_loop(T: int) -> None:
    a, b = inputs(2, T, 3, seed=1).sigmoid(), inputs(2, T, 3, seed=2)
    every_a, every_b = scan(a, b)
    h, product = torch.zeros(2, 3).double(), torch.ones(2, 3).double()
    for t in range(T):
        h, product = a[:, t] * h + b[:, t], a[:, t] * product
        torch.testing.assert_close(every_b[:, t], h, rtol=0, atol=1e-12)
        torch.testing.assert_close(every_a[:, t], product, rtol=0, atol=1e-12)


@each_linear
@pytest.mark.parametrize("direction", ["forward", "both"])
def test_outputs_and_gradients_agree(cell: dict[str, Any], direction: str) -> None:
    for lengths in (None, [9, 3, 0, 1, 8]):
        reference = stack_of(cell, direction=direction, kernel="reference")
        scanned = twin(reference, cell, direction=direction, kernel="scan")
        x = inputs(5, 9, 3)
        for state in (None, random_state(reference, 5)):
            wanted = results(reference, x, lengths, state)
            assert_close(results(scanned, x, lengths, state), wanted, 1e-10)
        assert scanned.served == {"scan"}


def test_coefficients_that_vanish_do_no_harm() -> None:
    a, b = torch.zeros(1, 9, 2).double(), inputs(1, 9, 2)
    assert torch.equal(scan(a, b)[1], b)


def test_a_cell_that_is_not_linear_is_refused() -> None:
    with pytest.raises(UserError, match="scan cannot serve the cell LSTM: it is not linear"):
        stack_of({"name": "lstm"}, kernel="scan")


def test_without_generated_code_the_faster_of_scan_and_loop_serves(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(kernels, "_precision", lambda tensors, weights: None)
    monkeypatch.setenv("SEQLINE_KERNELS", str(tmp_path))
    monkeypatch.setattr(choice, "_known", {})
    stack, x = stack_of({"name": "min_gru"}), inputs(2, 600, 3)
    with torch.no_grad():
        output, _ = stack(x)
    (kept,) = tmp_path.glob("choice-*.json")
    assert json.loads(kept.read_text())["fastest"] == "scan"  # 600 steps are slower by far
    reference = twin(stack, {"name": "min_gru"}, kernel="reference")
    torch.testing.assert_close(output, reference(x)[0], rtol=0, atol=1e-10)


def test_what_was_faster_once_serves_for_good(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SEQLINE_KERNELS", str(tmp_path))
    for seconds in ({"a": 1.0, "b": 2.0}, {"a": 2.0, "b": 1.0}):  # another process, another day
        monkeypatch.setattr(choice, "_known", {})
        measures = {name: (lambda value=value: value) for name, value in seconds.items()}
        assert choice.fastest("this", measures) == "a"
    for path in tmp_path.glob("choice-*.json"):
        path.write_text("torn")
    monkeypatch.setattr(choice, "_known", {})
    assert choice.fastest("this", measures) == "b"

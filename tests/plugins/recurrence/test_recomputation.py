"""Kept values beyond a budget are computed again: the same bits in less memory."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from networks import CHO, inputs, results, stack_of, title

from seqline_plugins import RecurrentStack
from seqline_plugins.cells.lstm import LSTM
from seqline_plugins.recurrence.generated import run
from seqline_plugins.recurrence.generated.cost import cost_of

pytestmark = pytest.mark.debian("g++")

CELLS: list[dict[str, Any]] = [{"name": "lstm"}, CHO, {"name": "layer_norm_lstm"}, {"name": "qrnn"}]


def with_budget(stack: RecurrentStack, budget: int | None) -> RecurrentStack:
    for layers in stack.layers:
        for layer in layers:  # type: ignore[union-attr]
            layer.kernel.budget = budget
    return stack


@pytest.mark.parametrize("lengths", [None, [11, 3, 0, 7]])
@pytest.mark.parametrize("direction", ["forward", "both"])
@pytest.mark.parametrize("cell", CELLS, ids=title)
def test_results_stay_the_same(cell: dict[str, Any], direction: str, lengths: Any) -> None:
    stack = stack_of(cell, direction=direction, num_layers=2, kernel="generated")
    x = inputs(4, 11, 3)
    wanted = results(with_budget(stack, None), x, lengths)
    found = results(with_budget(stack, 0), x, lengths)
    for name, tensor in wanted.items():  # sums over time may group differently
        close = 0 if name in ("output", "x.grad") else 1e-12
        torch.testing.assert_close(found[name], tensor, rtol=0, atol=close)


def test_the_tape_holds_what_the_budget_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []

    new_tape = run._new_tape

    def counted(*given: Any) -> torch.Tensor:
        tape = new_tape(*given)
        sizes.append(tape.numel())
        return tape

    monkeypatch.setattr(run, "_new_tape", counted)
    stack = stack_of({"name": "lstm"}, kernel="generated")
    for budget in (None, 0):
        results(with_budget(stack, budget), inputs(2, 400, 3))
    assert sizes[0] == 20 * sizes[1] and len(sizes) == 1 + 20


def test_the_last_chunk_is_not_computed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[object] = []
    forward = run.Library.forward

    def counted(library: run.Library, call: run.CallFields) -> None:
        calls.append(call)
        forward(library, call)

    monkeypatch.setattr(run.Library, "forward", counted)
    stack = with_budget(stack_of({"name": "lstm"}, kernel="generated"), 0)
    results(stack, inputs(2, 400, 3))
    assert len(calls) == 20 + 19


def test_what_a_call_will_take_can_be_asked_before() -> None:
    cell, shape = LSTM(), {"batch": 8, "steps": 400}
    whole = cost_of(cell, 3, 32, **shape)
    tape = engine_stride(32) * 8 * 400 * 4
    assert whole.kept_bytes == (5 * 32 + 16) * 8 * 400 * 4  # 5 slots, a vector of the widest more
    assert tape in (whole.kept_bytes, (5 * 32 + 8) * 8 * 400 * 4)  # vectors here may be narrower
    assert whole.forward_flops == 2 * 8 * 400 * 4 * 32 * (3 + 32)
    assert whole.training_flops == 3 * whole.forward_flops
    less = cost_of(cell, 3, 32, **shape, budget=0)
    assert less.kept_bytes < whole.kept_bytes / 9
    again = 400 - 20  # all but the last chunk's steps
    assert less.training_flops == 3 * whole.forward_flops + whole.forward_flops * again // 400


def engine_stride(hidden_size: int) -> int:
    stack = RecurrentStack({"name": "lstm"}, 3, hidden_size, kernel="generated")
    stack(torch.zeros(1, 1, 3))
    (program,) = stack.layers[0][0].kernel._programs.values()  # type: ignore[index, union-attr]
    return int(program.args[0].tape_stride(3, hidden_size))


def test_a_hundred_thousand_steps_train_in_little_memory() -> None:
    torch.manual_seed(0)
    stack = with_budget(RecurrentStack({"name": "gru"}, 4, 8, kernel="generated"), 1 << 20)
    x = inputs(1, 100_000, 4, dtype=torch.float32)
    output, _ = stack(x)
    output.square().mean().backward()
    assert all(p.grad.isfinite().all() for p in stack.parameters() if p.numel())  # type: ignore[union-attr]

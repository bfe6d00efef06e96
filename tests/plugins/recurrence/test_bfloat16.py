"""Under autocast products are in bfloat16, all else in float32."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from networks import CHO, assert_close, inputs, results, title
from torch import Tensor

from seqline_plugins import RecurrentStack

pytestmark = pytest.mark.debian("g++")

CELLS: list[dict[str, Any]] = [{"name": "lstm"}, {"name": "gru"}, CHO, {"name": "layer_norm_lstm"}]


def stack_of(cell: dict[str, Any], **options: Any) -> RecurrentStack:
    torch.manual_seed(0)
    return RecurrentStack(cell, 24, 40, kernel="generated", **options)


def in_bfloat16(
    stack: RecurrentStack, x: Tensor, lengths: list[int] | None = None
) -> dict[str, Tensor]:
    with torch.autocast("cpu", torch.bfloat16):
        return results(stack, x, lengths)


@pytest.mark.parametrize("direction", ["forward", "both"])
@pytest.mark.parametrize("cell", CELLS, ids=title)
def test_results_are_those_of_float32_to_bfloat16s_precision(
    cell: dict[str, Any], direction: str
) -> None:
    stack, lengths = stack_of(cell, direction=direction, num_layers=2), [9, 0, 4, 7, 1]
    x = inputs(5, 9, 24, dtype=torch.float32)
    wanted, found = results(stack, x, lengths), in_bfloat16(stack, x, lengths)
    assert stack.served == {"generated"}
    assert found["output"].dtype == torch.float32
    for kind in ("output", "last", "x.grad", "grad"):
        apart = torch.cat([(found[n] - wanted[n]).flatten() for n in wanted if n.startswith(kind)])
        whole = torch.cat([wanted[n].flatten() for n in wanted if n.startswith(kind)])
        assert apart.norm() < 0.08 * whole.norm(), f"{kind}: {apart.norm() / whole.norm()}"
    assert not torch.equal(found["output"], wanted["output"])


def test_ten_thousand_steps_stay_near_float32() -> None:
    torch.manual_seed(0)
    stack = RecurrentStack({"name": "lstm"}, 4, 16, kernel="generated")
    x = inputs(2, 10_000, 4, dtype=torch.float32)
    with torch.no_grad():
        wanted, _ = stack(x)
        with torch.autocast("cpu", torch.bfloat16):
            found, _ = stack(x)
    assert float((found - wanted).abs().max()) < 0.1
    assert float((found - wanted)[:, -1000:].abs().mean()) < 0.01


def test_padding_and_batch_mates_change_no_bit() -> None:
    stack, lengths = stack_of({"name": "gru"}), [5, 3]
    x = inputs(2, 5, 24, dtype=torch.float32)
    wider = torch.cat([x, torch.full((2, 4, 24), 9.0)], dim=1)
    found, padded = in_bfloat16(stack, x, lengths), in_bfloat16(stack, wider, lengths)
    assert torch.equal(padded["output"][:, :5], found["output"])
    assert_close({"x": padded["x.grad"][:, :5]}, {"x": found["x.grad"]}, 0)
    alone = in_bfloat16(stack, x[1:, :3])
    assert torch.equal(alone["output"][0], found["output"][1, :3])


def test_inputs_that_autocast_left_in_bfloat16_are_taken() -> None:
    stack, project = stack_of({"name": "lstm"}), torch.nn.Linear(24, 24)
    with torch.autocast("cpu", torch.bfloat16):
        between = project(inputs(2, 5, 24, dtype=torch.float32))
        assert between.dtype == torch.bfloat16
        output, _ = stack(between)
    output.sum().backward()
    assert project.weight.grad is not None and stack.served == {"generated"}


def test_no_number_stays_no_number() -> None:
    stack, x = stack_of({"name": "lstm"}), inputs(2, 5, 24, dtype=torch.float32)
    x[1, 2, 3] = float("nan")
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        output, _ = stack(x)
    assert output[1, 2:].isnan().all() and not output[1, :2].isnan().any()
    assert not output[0].isnan().any()

"""Under autocast products are in bfloat16, all else in float32."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
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


@pytest.mark.parametrize("rows", [16, 17, 33, 70])
def test_a_row_among_many_is_as_alone(rows: int) -> None:
    stack = stack_of({"name": "lstm"})
    x = inputs(rows, 4, 24, dtype=torch.float32)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        together, _ = stack(x)
        for row in (0, rows // 2, rows - 1):
            alone, _ = stack(x[row : row + 1])
            assert torch.equal(alone[0], together[row])


TILES = """
import sys, torch
from seqline_plugins import RecurrentStack

torch.manual_seed(0)
found = []
for B, T, I, H in ((1, 3, 1, 1), (5, 7, 33, 40), (33, 5, 70, 100)):
    stack = RecurrentStack({"name": "lstm"}, I, H, kernel="generated")
    x = torch.randn(B, T, I, requires_grad=True)
    lengths = torch.randint(1, T + 1, (B,))
    with torch.autocast("cpu", torch.bfloat16):
        output, _ = stack(x, lengths)
    (output * torch.randn(B, T, H)).sum().backward()
    found += [output.detach(), x.grad, *(p.grad for p in stack.parameters() if p.grad is not None)]
torch.save(found, sys.argv[1])
"""


@pytest.mark.skipif(
    "amx_bf16" not in Path("/proc/cpuinfo").read_text(encoding="utf-8"),
    reason="the processor has no matrix tiles (AMX)",
)
def test_tiles_and_vectors_agree(tmp_path: Path) -> None:
    found = []
    for name, refused in (("tiles", {}), ("vectors", {"SEQLINE_WITHOUT_TILES": "1"})):
        command = [sys.executable, "-c", TILES, str(tmp_path / name)]
        subprocess.run(command, env={**os.environ, **refused}, check=True)
        found.append(torch.load(tmp_path / name, weights_only=True))
    tiles, vectors = found
    assert any(not torch.equal(*pair) for pair in zip(tiles, vectors, strict=True))
    for one, other in zip(tiles, vectors, strict=True):
        assert float((one - other).norm()) <= 0.01 * float(other.norm()) + 1e-6


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

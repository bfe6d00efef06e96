"""A single step of all rows, whose units threads share out, is the step of one thread, in bits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext

import pytest
import torch

from seqline_plugins import RecurrentStack

pytestmark = pytest.mark.debian("g++")

KINDS = {"32": torch.float32, "64": torch.float64, "bf16": torch.float32}


@pytest.fixture
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru", "peephole_lstm"])
@pytest.mark.parametrize("rows", [1, 37])
@pytest.mark.usefixtures("threads")
def test_units_shared_out_are_the_whole(cell: str, kind: str, rows: int) -> None:
    torch.manual_seed(0)
    stack = RecurrentStack({"name": cell}, 300, 352).to(KINDS[kind])  # 11 panels of units
    x = torch.randn(rows, 1, 300, dtype=KINDS[kind])
    state = {name: torch.randn_like(t) for name, t in stack.initial_state(rows).items()}
    lengths = torch.arange(rows) % 5 // 4 if rows > 1 else None  # 0 or 1
    half = torch.autocast("cpu", torch.bfloat16) if kind == "bf16" else nullcontext()
    for given in (None, lengths):
        found = []
        for count in (1, 2, 3):
            torch.set_num_threads(count)
            with torch.inference_mode(), half:
                output, after = stack(x, given, state)
            found.append([output, *after.values()])
        with half:
            output, after = stack(x, given, state)  # kept for a backward pass, thus by rows
        found.append([output.detach(), *(t.detach() for t in after.values())])
        for other in found[1:]:
            assert all(map(torch.equal, found[0], other))

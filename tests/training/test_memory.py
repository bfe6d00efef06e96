"""Out of memory: once, the batch goes on in parts with the same update; then it is an error."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from seqline.training.checkpoint import checkpoints
from seqline.training.loop import Training
from seqline.training.memory import PIECES, out_of_memory, pieces_of


def on_a_machine_for(rows: int, training: Training) -> Training:
    """Let the training's machine hold so many rows at once and no more."""
    whole = training.splits["train"].batch

    def batch(chosen: Any) -> Any:
        if len(chosen) > rows:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate")
        return whole(chosen)

    training.splits["train"].batch = batch
    return training


def test_the_update_is_the_same_in_parts(make_training) -> None:
    options = {"max_steps": 3, "double": True, "dropout": False, "batch_size": 10}
    small = on_a_machine_for(3, make_training(**options))
    warned: list[str] = []
    small.watchers.reporter.warn = warned.append
    small.run()
    large = make_training(**options)
    large.run()
    assert small.at.pieces == PIECES and large.at.pieces == 1
    assert len(warned) == 1 and "out of memory in update 1" in warned[0]
    assert (small.at.step, small.at.tokens) == (large.at.step, large.at.tokens)
    for one, other in zip(small.model.parameters(), large.model.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-11)


def test_it_is_tried_once_only(make_training) -> None:
    training = on_a_machine_for(1, make_training(max_steps=3, batch_size=10))
    with pytest.raises(RuntimeError, match="can't allocate memory"):
        training.run()


def test_a_continued_training_keeps_to_the_parts(make_training, tmp_path) -> None:
    first = on_a_machine_for(3, make_training(max_steps=3, batch_size=10))
    first.run()
    path = first.save()
    again = on_a_machine_for(3, make_training(max_steps=6, batch_size=10))
    again.restore(path)
    assert again.at.pieces == PIECES and checkpoints(path.parent) == [path]


def test_no_other_error_counts() -> None:
    assert out_of_memory(MemoryError()) and out_of_memory(torch.OutOfMemoryError())
    assert not out_of_memory(RuntimeError("shapes do not fit"))
    assert not out_of_memory(ValueError("out of memory"))


def test_parts_hold_every_row_once() -> None:
    for size in range(1, 12):
        parts = pieces_of(range(size), PIECES)
        assert [row for part in parts for row in part] == list(range(size))
        assert len(parts) <= PIECES and all(parts)

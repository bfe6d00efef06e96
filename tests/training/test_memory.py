"""Out of memory: once, the batch goes on in parts with the same update; then it is an error."""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from seqline.training import loop
from seqline.training.checkpoint import checkpoints
from seqline.training.loop import Training
from seqline.training.memory import (
    AFTER,
    PIECES,
    PRODUCTS,
    give_back,
    keep_few_products,
    out_of_memory,
    pieces_of,
)


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


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="needs glibc")
def test_free_memory_goes_back_to_the_system() -> None:
    pieces = [bytes(50_000) for _ in range(2_000)]  # too small to be mapped by themselves
    kept = pieces[::100]
    full = anonymous_memory()
    del pieces
    give_back()
    assert full - anonymous_memory() > 50e6
    assert len(kept) == 20


def test_sparing_memory_changes_no_bit_and_leaves_the_user_the_choice(
    make_training, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "LRU_CACHE_CAPACITY")
    for name in names:
        monkeypatch.setenv(name, "1000")
    monkeypatch.delenv(names[1])
    keep_few_products()
    assert [os.environ[name] for name in names] == ["1000", PRODUCTS]
    given: list[int] = []
    monkeypatch.setattr(loop, "give_back", lambda: given.append(spared.at.step))
    spared = make_training(max_steps=9, spare_memory=True)
    spared.run()
    assert given == [AFTER, 2 * AFTER]
    plain = make_training(max_steps=9, spare_memory=False)
    plain.run()
    assert len(given) == 2
    for one, other in zip(spared.model.parameters(), plain.model.parameters(), strict=True):
        assert torch.equal(one, other)


def anonymous_memory() -> float:
    if sys.platform != "linux":
        pytest.skip("reads /proc")
    with Path("/proc/self/status").open() as lines:
        return next(1e3 * int(line.split()[1]) for line in lines if line.startswith("RssAnon"))

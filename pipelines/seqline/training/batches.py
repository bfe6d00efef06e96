"""Which rows make a batch: sequences of like length together, in an order drawn from the seed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, overload

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.int64]
POOL = 64
"""Batches that are sorted by length together: enough for little padding, few enough for chance."""


class Batches(Sequence[list[int]]):
    """The rows of each batch; held as parts of one array, a few bytes a row."""

    def __init__(self, parts: Sequence[Rows]) -> None:
        self._parts = parts

    def __len__(self) -> int:
        return len(self._parts)

    @overload
    def __getitem__(self, index: int) -> list[int]: ...
    @overload
    def __getitem__(self, index: slice) -> list[list[int]]: ...
    def __getitem__(self, index: int | slice) -> list[int] | list[list[int]]:
        if isinstance(index, slice):
            return [part.tolist() for part in self._parts[index]]
        found: list[int] = self._parts[index].tolist()
        return found

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]


def training_batches(
    lengths: Sequence[int],
    *,
    batch_size: int | None,
    batch_tokens: int | None,
    seed: int,
    epoch: int,
) -> Batches:
    """Return the batches of one epoch, the same for the same seed and epoch.

    Rows are shuffled, sorted by length within pools of batches, cut and shuffled again, so that
    a batch holds sequences of like length and hardly any padding. A batch has `batch_size` rows,
    or as many as fit in `batch_tokens` tokens, padding counted (one row at least).
    """
    sizes = np.asarray(lengths)
    draw = np.random.default_rng([seed, epoch])
    order = draw.permutation(len(sizes))
    rows_at_once = batch_size or max(1, int(batch_tokens or 1) // max(1, int(sizes.mean())))
    pool = POOL * rows_at_once
    batches: list[Rows] = []
    for start in range(0, len(order), pool):
        rows = order[start : start + pool]
        rows = rows[np.argsort(sizes[rows], kind="stable")]
        batches += _cut(rows, sizes, batch_size, batch_tokens)
    return Batches([batches[index] for index in draw.permutation(len(batches))])


def ordered_batches(lengths: Sequence[int], tokens: int) -> Batches:
    """Return batches of all rows for prediction, the longest first, `tokens` at most in each."""
    sizes = np.asarray(lengths)
    longest_first = np.argsort(-sizes, kind="stable")
    return Batches(_cut(longest_first, sizes, None, tokens))


def _cut(
    rows: Rows, sizes: npt.NDArray[Any], batch_size: int | None, batch_tokens: int | None
) -> list[Rows]:
    if batch_size is not None:
        return [rows[at : at + batch_size] for at in range(0, len(rows), batch_size)]
    most, batches = int(batch_tokens or 1), []
    start = longest = 0
    for at, size in enumerate(np.maximum(sizes[rows], 1).tolist()):
        longest = max(longest, size)
        if at > start and longest * (at - start + 1) > most:
            batches.append(rows[start:at])
            start, longest = at, size
    return [*batches, rows[start:]] if start < len(rows) else batches

"""Which rows make a batch, and which of their steps an update sees.

Separate sequences: those of like length together, in an order drawn from the seed. Running text:
streams side by side. Both can be cut into windows of time, each going on with the state that the
one before it left (truncated backpropagation through time, Williams & Peng 1990).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np

from seqline_plugins.task import Batch, EncodedSplit

POOL = 64
"""Batches that are sorted by length together: enough for little padding, few enough for chance."""


@dataclass(frozen=True)
class Portion:
    """Some rows of a split, whole, or steps `start` to `stop` of them.

    One that starts later than at 0 goes on with the state that the one before it left.
    """

    rows: Sequence[int]
    start: int = 0
    stop: int | None = None

    @property
    def goes_on(self) -> bool:
        """Whether it begins with the state that the portion before it left."""
        return self.start > 0

    def batch(self, split: EncodedSplit, places: Sequence[int] | None = None) -> Batch:
        """Return it as a batch; `places` chooses some of its rows."""
        rows = self.rows if places is None else [self.rows[place] for place in places]
        if self.stop is None:
            return split.batch(rows)
        return split.window(rows, self.start, self.stop)


class Windows(Sequence[Portion]):
    """All rows of equal length, window after window; made when asked for, so that none is kept."""

    def __init__(self, rows: int, length: int, steps: int) -> None:
        self.rows, self.length, self.steps = range(rows), length, steps

    def __len__(self) -> int:
        return -(-self.length // self.steps)

    @overload
    def __getitem__(self, place: int) -> Portion: ...
    @overload
    def __getitem__(self, place: slice) -> list[Portion]: ...
    def __getitem__(self, place: int | slice) -> Portion | list[Portion]:
        if isinstance(place, slice):
            return [self[one] for one in range(*place.indices(len(self)))]
        if not 0 <= place < len(self):
            raise IndexError(place)
        start = place * self.steps
        return Portion(self.rows, start, min(start + self.steps, self.length))


def cut_in_time(
    batches: Sequence[Sequence[int]], lengths: Sequence[int], steps: int | None
) -> list[Portion]:
    """Return batches of whole rows as portions of `steps` steps, or whole if there are no more."""
    if steps is None:
        return [Portion(rows) for rows in batches]
    portions = []
    for rows in batches:
        longest = max(int(lengths[row]) for row in rows)
        if longest <= steps:
            portions.append(Portion(rows))
            continue
        starts = range(0, longest, steps)
        portions += [Portion(rows, start, min(start + steps, longest)) for start in starts]
    return portions


def training_batches(
    lengths: Sequence[int],
    *,
    batch_size: int | None,
    batch_tokens: int | None,
    seed: int,
    epoch: int,
) -> list[list[int]]:
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
    batches: list[list[int]] = []
    for start in range(0, len(order), pool):
        rows = order[start : start + pool]
        rows = rows[np.argsort(sizes[rows], kind="stable")]
        batches += _cut(rows, sizes, batch_size, batch_tokens)
    return [batches[index] for index in draw.permutation(len(batches))]


def ordered_batches(lengths: Sequence[int], tokens: int) -> list[list[int]]:
    """Return batches of all rows for prediction, the longest first, `tokens` at most in each."""
    sizes = np.asarray(lengths)
    longest_first = np.argsort(-sizes, kind="stable")
    return _cut(longest_first, sizes, None, tokens)


def _cut(
    rows: np.ndarray, sizes: np.ndarray, batch_size: int | None, batch_tokens: int | None
) -> list[list[int]]:
    if batch_size is not None:
        return [rows[at : at + batch_size].tolist() for at in range(0, len(rows), batch_size)]
    batches: list[list[int]] = []
    current: list[int] = []
    longest = 0
    for row in rows.tolist():
        wider = max(longest, int(sizes[row]), 1)
        if current and wider * (len(current) + 1) > int(batch_tokens or 1):
            batches.append(current)
            current, wider = [], max(int(sizes[row]), 1)
        current.append(row)
        longest = wider
    return [*batches, current] if current else batches

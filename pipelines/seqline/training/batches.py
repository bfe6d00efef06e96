"""Which rows make a batch, and which of their steps an update sees.

Separate sequences: those of like length together, in an order drawn from the seed. Running text:
streams side by side. Both can be cut into windows of time, each going on with the state that the
one before it left (truncated backpropagation through time, Williams & Peng 1990).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from seqline_plugins.task.split import Batch, EncodedSplit

Rows = npt.NDArray[np.int64]
POOL = 64
"""Batches that are sorted by length together: enough for little padding, few enough for chance."""


EVEN = 8
"""Batches by tokens have a multiple of so many rows, where they have more. oneDNN compiles the
products of every other size anew, a tenth of an update's time without this, and keeps them all."""


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


class Whole(Sequence[Portion]):
    """Batches of whole rows; each is made when asked for, so that none is kept."""

    def __init__(self, batches: Sequence[Sequence[int]]) -> None:
        self.batches = batches

    def __len__(self) -> int:
        return len(self.batches)

    @overload
    def __getitem__(self, place: int) -> Portion: ...
    @overload
    def __getitem__(self, place: slice) -> list[Portion]: ...
    def __getitem__(self, place: int | slice) -> Portion | list[Portion]:
        if isinstance(place, slice):
            return [Portion(rows) for rows in self.batches[place]]
        return Portion(self.batches[place])


def cut_in_time(
    batches: Sequence[Sequence[int]], lengths: Sequence[int], steps: int | None
) -> Sequence[Portion]:
    """Return batches of whole rows as portions of `steps` steps, or whole if there are no more."""
    if steps is None:
        return Whole(batches)
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
) -> Batches:
    """Return the batches of one epoch, the same for the same seed and epoch.

    Rows are shuffled, sorted by length within pools of batches, cut and shuffled again, so that
    a batch holds sequences of like length and hardly any padding. A batch has `batch_size` rows,
    or as many as fit in `batch_tokens` tokens, padding counted (one row at least; see `EVEN`).
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
    each = np.maximum(sizes[rows], 1).tolist()
    for at, size in enumerate(each):
        longest = max(longest, size)
        if at > start and longest * (at - start + 1) > most:
            stop = at - (at - start) % EVEN if at - start > EVEN else at
            batches.append(rows[start:stop])
            start, longest = stop, max(each[stop : at + 1])
    return [*batches, rows[start:]] if start < len(rows) else batches

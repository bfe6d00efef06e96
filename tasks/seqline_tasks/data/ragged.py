"""Rows of different lengths in flat arrays: what Arrow stores and batches are cut from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.integer[Any]]


@dataclass(frozen=True)
class Ragged:
    """`values` of all rows, one after the other; row r is values[offsets[r]:offsets[r + 1]]."""

    values: Integers
    offsets: Integers

    @classmethod
    def of(cls, rows: Iterable[Sequence[int]]) -> Ragged:
        """Make one from rows of whole numbers."""
        rows = list(rows)
        offsets = np.zeros(len(rows) + 1, dtype=np.int64)
        np.cumsum([len(row) for row in rows], out=offsets[1:])
        flat = [value for row in rows for value in row]
        return cls(np.asarray(flat, dtype=np.int32), offsets)

    @classmethod
    def from_arrow(cls, column: Any) -> Ragged:
        """View a list column of an Arrow table, without a copy where it is one chunk."""
        array = column.combine_chunks()
        if hasattr(array, "chunks"):
            array = array.chunk(0) if array.num_chunks == 1 else array.combine_chunks()
        return cls(array.values.to_numpy(), array.offsets.to_numpy())

    @property
    def lengths(self) -> Integers:
        """The length of every row."""
        return np.diff(self.offsets)

    def rows(self) -> list[list[int]]:
        """Return the rows as plain lists (to store them)."""
        ends = self.offsets[1:]
        return [part.tolist() for part in np.split(self.values, ends)[: len(ends)]]

    def padded(self, rows: Integers, fill: int) -> Integers:
        """Return the chosen rows as one matrix, as wide as the longest, padded with `fill`."""
        starts, lengths = self.offsets[rows], self.lengths[rows]
        width = int(lengths.max()) if len(lengths) else 0
        steps = np.arange(width)
        valid = steps < lengths[:, None]
        place = np.minimum(starts[:, None] + steps, max(len(self.values) - 1, 0))
        if not len(self.values):
            return np.full((len(rows), width), fill, dtype=np.int64)
        return np.where(valid, self.values[place], fill).astype(np.int64)

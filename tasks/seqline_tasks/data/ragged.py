"""Rows of different lengths in flat arrays: what Arrow stores and batches are cut from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.integer[Any]]
Numbers = npt.NDArray[Any]
"""Whole or floating-point numbers: (rows,), or (rows, features)."""


@dataclass(frozen=True)
class Ragged:
    """`values` of all rows, one after the other; row r is values[offsets[r]:offsets[r + 1]].

    A value is a number, or some features (N, F).
    """

    values: Numbers
    offsets: Integers

    @classmethod
    def of(cls, rows: Iterable[Sequence[int]]) -> Ragged:
        """Make one from rows of whole numbers."""
        rows = list(rows)
        flat = [value for row in rows for value in row]
        return cls(np.asarray(flat, dtype=np.int32), _offsets(rows))

    @classmethod
    def of_arrays(cls, rows: Iterable[Any], dtype: Any = np.float32) -> Ragged:
        """Make one from rows of numbers (T,), or of features (T, F)."""
        arrays = [np.asarray(row, dtype=dtype) for row in rows]
        values = np.concatenate(arrays) if arrays else np.empty(0, dtype=dtype)
        return cls(values, _offsets(arrays))

    @classmethod
    def from_arrow(cls, column: Any) -> Ragged:
        """View a list column of an Arrow table, without a copy where it is one chunk."""
        array = column.combine_chunks()
        if hasattr(array, "chunks"):
            array = array.chunk(0) if array.num_chunks == 1 else array.combine_chunks()
        return cls(flat_numbers(array.values), array.offsets.to_numpy())

    @property
    def lengths(self) -> Integers:
        """The length of every row."""
        return np.diff(self.offsets)

    def rows(self) -> list[list[int]]:
        """Return the rows as plain lists (to store them)."""
        ends = self.offsets[1:]
        return [part.tolist() for part in np.split(self.values, ends)[: len(ends)]]

    def padded(self, rows: Integers, fill: float) -> Numbers:
        """Return the chosen rows as one array (rows, width, …), padded with `fill`.

        It is as wide as the longest row, of int64 or of what floats the values are.
        """
        whole = np.issubdtype(self.values.dtype, np.integer)
        dtype = np.dtype(np.int64) if whole else self.values.dtype
        starts, lengths = self.offsets[rows], self.lengths[rows]
        width = int(lengths.max()) if len(lengths) else 0
        if not len(self.values):
            return np.full((len(rows), width, *self.values.shape[1:]), fill, dtype=dtype)
        steps = np.arange(width)
        valid = steps < lengths[:, None]
        place = np.minimum(starts[:, None] + steps, len(self.values) - 1)
        valid = valid.reshape(*valid.shape, *[1] * (self.values.ndim - 1))
        return np.where(valid, self.values[place], fill).astype(dtype)


def flat_numbers(array: Any) -> Numbers:
    """View an Arrow array of numbers, or of lists of one length, as (N,) or (N, F)."""
    import pyarrow

    if pyarrow.types.is_fixed_size_list(array.type):
        flat: Numbers = array.flatten().to_numpy()
        return flat.reshape(-1, array.type.list_size)
    numbers: Numbers = array.to_numpy()
    return numbers


def _offsets(rows: Sequence[Any]) -> Integers:
    offsets = np.zeros(len(rows) + 1, dtype=np.int64)
    np.cumsum([len(row) for row in rows], out=offsets[1:])
    return offsets

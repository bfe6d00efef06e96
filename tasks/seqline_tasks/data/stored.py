"""Rows of whole numbers in a memory-mapped Arrow file: written a part at a time, never held.

Letters: N rows, C parts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from seqline_tasks.data.ragged import Integers

FILE = "rows.arrow"


class RowWriter:
    """Writes rows of lists of numbers, a part of them at a time, into a folder."""

    def __init__(self, folder: Path, names: Sequence[str]) -> None:
        import datasets
        from datasets.arrow_writer import ArrowWriter

        folder.mkdir(parents=True, exist_ok=True)
        number = datasets.List(datasets.Value("int32"))
        features = datasets.Features(dict.fromkeys(names, number))
        self._writer = ArrowWriter(path=str(folder / FILE), features=features)

    def __enter__(self) -> RowWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self._writer.finalize()
        else:
            self._writer.close()

    def write(self, columns: Mapping[str, Sequence[Sequence[int]]]) -> None:
        """Add rows."""
        import pyarrow

        lists = pyarrow.list_(pyarrow.int32())
        arrays = {name: pyarrow.array(rows, type=lists) for name, rows in columns.items()}
        self._writer.write_table(pyarrow.table(arrays))


class StoredRows:
    """A column of lists in C parts of a file, of which only the lengths are held.

    It serves as `Ragged` does.
    """

    def __init__(self, column: Any) -> None:
        self._values = [part.values.to_numpy() for part in column.chunks]
        self._offsets = [part.offsets.to_numpy() for part in column.chunks]
        sizes = [len(part) for part in column.chunks]
        self._starts = np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])
        lengths = [np.diff(offsets).astype(np.int32) for offsets in self._offsets]
        self.lengths: Integers = np.concatenate(lengths) if lengths else np.zeros(0, np.int32)

    def row(self, number: int) -> Integers:
        """Return one row, a view of the file."""
        part = int(np.searchsorted(self._starts, number, side="right")) - 1
        at = number - int(self._starts[part])
        offsets = self._offsets[part]
        found: Integers = self._values[part][offsets[at] : offsets[at + 1]]
        return found

    def padded(self, rows: Integers, fill: int) -> Integers:
        """Return the chosen rows as one matrix, as wide as the longest, padded with `fill`."""
        lengths = self.lengths[rows]
        width = int(lengths.max()) if len(lengths) else 0
        matrix = np.full((len(rows), width), fill, dtype=np.int64)
        for place, (number, length) in enumerate(zip(rows.tolist(), lengths.tolist(), strict=True)):
            matrix[place, :length] = self.row(number)
        return matrix


def open_rows(folder: Path) -> dict[str, StoredRows]:
    """Open what was written, memory-mapped."""
    import datasets

    table = datasets.Dataset.from_file(str(folder / FILE)).data
    return {name: StoredRows(table.column(name)) for name in table.column_names}

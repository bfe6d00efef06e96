"""Examples in numbers as columns: the split of every task that does not bring one of its own.

    Rows({"bits": [[0, 1, 1], [1]], "odd": [[0, 1, 0], [1]]}, fill={"odd": -100})

Letters: B batch, T time, F numbers a step.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from seqline_plugins.task.split import Batch, EncodedSplit

FILE = "rows.arrow"


class Column(NamedTuple):
    """All rows' values one after the other, (N,) or (N, F), and each row's place among them."""

    values: NDArray[Any]
    offsets: NDArray[Any] | None
    """Where each row starts, and the end: rows + 1 numbers. None: a row is one value."""

    @property
    def lengths(self) -> NDArray[Any]:
        """How many steps each row has."""
        assert self.offsets is not None
        return np.diff(self.offsets)

    def batch(self, rows: Sequence[int], fill: float) -> Tensor:
        """Return the chosen rows: (B,) or (B, F) of single values, else padded, (B, T[, F])."""
        if self.offsets is None:
            return torch.from_numpy(self.values[np.asarray(rows, dtype=np.int64)])
        starts, ends = self.offsets[:-1], self.offsets[1:]
        parts = [torch.tensor(self.values[starts[row] : ends[row]]) for row in rows]
        return pad_sequence(parts, batch_first=True, padding_value=fill)


class Rows(EncodedSplit):
    """Columns of equal length; a row of one is a number, numbers (T,) or vectors (T, F).

    Whole numbers become int64, others float32. A batch has every column under its name, padded
    with its `fill` (0 where none is given), and `lengths`, those of the column so named or of the
    first that has steps. Raises `ValueError` for columns of different length.
    """

    def __init__(
        self, columns: Mapping[str, Sequence[Any]], fill: Mapping[str, float] | None = None
    ) -> None:
        counts = {name: len(rows) for name, rows in columns.items()}
        if len(set(counts.values())) != 1:
            raise ValueError(f"columns: found rows {counts}, expected as many in each")
        self._hold({name: _column(rows) for name, rows in columns.items()}, fill or {})

    def _hold(self, columns: dict[str, Column], fill: Mapping[str, float]) -> None:
        self.columns, self.fill = columns, dict(fill)
        if "lengths" in columns:
            self.lengths = columns["lengths"].values  # type: ignore[assignment]
            return
        along = [column for column in columns.values() if column.offsets is not None]
        if not along:
            raise ValueError(f"columns {', '.join(columns)}: none has steps, and none is 'lengths'")
        self.lengths = along[0].lengths  # type: ignore[assignment]

    def batch(self, rows: Sequence[int]) -> Batch:
        """Return the chosen rows, every column padded to its longest."""
        found = {
            name: column.batch(rows, self.fill.get(name, 0))
            for name, column in self.columns.items()
        }
        chosen = np.asarray(rows, dtype=np.int64)
        lengths = np.asarray(self.lengths)[chosen].astype(np.int64)
        return {"lengths": torch.from_numpy(lengths), **found}

    def save(self, folder: Path) -> None:
        """Write one Arrow table."""
        import pyarrow as pa

        arrays = {name: _to_arrow(column) for name, column in self.columns.items()}
        table = pa.table(arrays).replace_schema_metadata({"fill": json.dumps(self.fill)})
        with pa.OSFile(str(folder / FILE), "wb") as sink, pa.ipc.new_file(sink, table.schema) as to:
            to.write_table(table)

    @classmethod
    def load(cls, folder: Path) -> Rows:
        """Open the table, memory-mapped."""
        import pyarrow as pa

        table = pa.ipc.open_file(pa.memory_map(str(folder / FILE))).read_all()
        rows = cls.__new__(cls)
        columns = {n: _from_arrow(table.column(n).combine_chunks()) for n in table.column_names}
        rows._hold(columns, json.loads(table.schema.metadata[b"fill"]))
        return rows


def _column(rows: Sequence[Any]) -> Column:
    arrays = [np.asarray(row) for row in rows]
    kind = np.float32 if any(a.dtype.kind == "f" for a in arrays) else np.int64
    if not arrays or arrays[0].ndim == 0:
        return Column(np.asarray(arrays, dtype=kind), None)
    offsets = np.cumsum([0, *(len(a) for a in arrays)], dtype=np.int64)
    return Column(np.concatenate(arrays).astype(kind), offsets)


def _to_arrow(column: Column) -> Any:
    import pyarrow as pa

    values = pa.array(np.ascontiguousarray(column.values).reshape(-1))
    if column.values.ndim == 2:
        values = pa.FixedSizeListArray.from_arrays(values, column.values.shape[1])
    return (
        values if column.offsets is None else pa.LargeListArray.from_arrays(column.offsets, values)
    )


def _from_arrow(array: Any) -> Column:
    import pyarrow as pa

    array = array.chunk(0) if isinstance(array, pa.ChunkedArray) else array
    offsets = array.offsets.to_numpy() if pa.types.is_large_list(array.type) else None
    values = array if offsets is None else array.values
    if not pa.types.is_fixed_size_list(values.type):
        return Column(values.to_numpy(), offsets)
    return Column(values.flatten().to_numpy().reshape(-1, values.type.list_size), offsets)

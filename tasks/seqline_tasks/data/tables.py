"""Arrow tables of numbers through `datasets`: written once, read memory-mapped."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from seqline_tasks.data.ragged import Numbers, Ragged, flat_numbers

Columns = Mapping[str, Ragged | Numbers]


def save_table(columns: Columns, folder: Path) -> None:
    """Write columns of equal length; of each row a number, some features, or a list of either."""
    import datasets
    import pyarrow

    arrays = {}
    for name, column in columns.items():
        if isinstance(column, Ragged):
            offsets = pyarrow.array(column.offsets.astype(np.int32))
            arrays[name] = pyarrow.ListArray.from_arrays(offsets, _array(column.values))
        else:
            arrays[name] = _array(column)
    datasets.disable_progress_bars()
    datasets.Dataset(pyarrow.table(arrays)).save_to_disk(folder)


def load_table(folder: Path) -> dict[str, Ragged | Numbers]:
    """Open a table as flat arrays over its memory-mapped file."""
    import datasets
    import pyarrow

    table = datasets.load_from_disk(folder).data
    return {
        field.name: Ragged.from_arrow(table.column(field.name))
        if pyarrow.types.is_list(field.type)
        else flat_numbers(_one_chunk(table.column(field.name)))
        for field in table.schema
    }


def _array(values: Numbers) -> Any:
    """Return numbers (N,), or features (N, F), as an Arrow array; whole numbers in 32 bits."""
    import pyarrow

    whole = np.issubdtype(values.dtype, np.integer)
    flat = pyarrow.array(np.ascontiguousarray(values.astype(np.int32) if whole else values).ravel())
    if values.ndim == 1:
        return flat
    return pyarrow.FixedSizeListArray.from_arrays(flat, values.shape[1])


def _one_chunk(column: Any) -> Any:
    array = column.combine_chunks()
    if hasattr(array, "chunks"):
        array = array.chunk(0) if array.num_chunks == 1 else array.combine_chunks()
    return array

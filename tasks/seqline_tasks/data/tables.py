"""Arrow tables of whole numbers through `datasets`: written once, read memory-mapped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from seqline_tasks.data.ragged import Integers, Ragged


def save_table(columns: Mapping[str, Ragged | Integers], folder: Path) -> None:
    """Write columns of equal length, each a number or a list of numbers a row."""
    import datasets

    number = datasets.Value("int32")
    features: dict[str, Any] = {}
    rows: dict[str, Sequence[Any]] = {}
    for name, column in columns.items():
        is_list = isinstance(column, Ragged)
        features[name] = datasets.List(number) if is_list else number
        rows[name] = column.rows() if isinstance(column, Ragged) else column.tolist()
    datasets.disable_progress_bars()
    table = datasets.Dataset.from_dict(rows, features=datasets.Features(features))
    table.save_to_disk(folder)


def load_table(folder: Path) -> dict[str, Ragged | Integers]:
    """Open a table as flat arrays over its memory-mapped file."""
    import datasets
    import pyarrow

    table = datasets.load_from_disk(folder).data
    return {
        field.name: Ragged.from_arrow(table.column(field.name))
        if pyarrow.types.is_list(field.type)
        else table.column(field.name).to_numpy()
        for field in table.schema
    }

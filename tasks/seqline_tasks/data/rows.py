"""A split of any task whose row is a sequence and what belongs to it: columns of numbers.

Letters: B rows, T steps, F features.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch

from seqline_plugins.task import Batch, EncodedSplit
from seqline_tasks.data.ragged import Integers, Numbers, Ragged
from seqline_tasks.data.tables import load_table, save_table
from seqline_tasks.heads.softmax import UNSCORED


@dataclass
class Rows(EncodedSplit):
    """Columns by name, the sequences `Ragged`; the first of those says how long a row is.

    A subclass may say in `fills` what stands in the padding of a sequence, elsewhere 0.
    """

    fills: ClassVar[dict[str, int]] = {"target": UNSCORED}

    columns: dict[str, Ragged | Numbers]

    @property
    def lengths(self) -> Integers:  # type: ignore[override]
        """Steps of every row."""
        return next(c.lengths for c in self.columns.values() if isinstance(c, Ragged))

    def batch(self, rows: Sequence[int]) -> Batch:
        """Return rows as one padded batch: lengths (B,), and each column by its name.

        A sequence is (B, T) or (B, T, F), what stands once a row (B,) or (B, F).
        """
        chosen = np.asarray(rows, dtype=np.int64)
        arrays: dict[str, Any] = {"lengths": self.lengths[chosen]}
        for name, column in self.columns.items():
            if isinstance(column, Ragged):
                arrays[name] = column.padded(chosen, fill=self.fills.get(name, 0))
            else:
                arrays[name] = column[chosen]
        return {
            name: torch.from_numpy(
                array.astype(np.int64) if np.issubdtype(array.dtype, np.integer) else array
            )
            for name, array in arrays.items()
        }

    def save(self, folder: Path) -> None:
        """Write one Arrow table."""
        save_table(self.columns, folder)

    @classmethod
    def load(cls, folder: Path) -> Rows:
        """Open the table, memory-mapped."""
        return cls(load_table(folder))

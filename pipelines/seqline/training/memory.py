"""Running out of memory, and batches in pieces where it was too much at once."""

from __future__ import annotations

import re
from collections.abc import Sequence

import torch

PIECES = 4
"""Parts of a batch, one after the other, once the whole of it did not fit."""
SAID = re.compile("can't allocate memory|not enough memory|out of memory", re.IGNORECASE)


def out_of_memory(error: BaseException) -> bool:
    """Say whether an error means that memory ran out, the processor's or a device's."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and SAID.search(str(error)) is not None


def pieces_of(rows: Sequence[int], count: int) -> list[Sequence[int]]:
    """Return the rows of a batch in `count` parts of like size, none of them empty."""
    size = -(-len(rows) // count)
    return [rows[at : at + size] for at in range(0, len(rows), size)]

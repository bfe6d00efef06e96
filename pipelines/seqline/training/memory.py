"""Running out of memory, batches in pieces where it was too much at once, and sparing memory.

Batches are of ever other sizes. oneDNN compiles a product of every size anew and keeps a thousand
of them, each about a megabyte, and between them glibc's heap breaks into pieces that it also keeps:
after some hundred updates of a translation more than twice the memory that is used.
"""

from __future__ import annotations

import ctypes
import os
import re
from collections.abc import Sequence
from functools import cache
from typing import Any

import torch

PIECES = 4
"""Parts of a batch, one after the other, once the whole of it did not fit."""
PRODUCTS = "512"
"""Compiled products that are kept where memory is spared."""
AFTER = 4
"""Updates after which free memory is given back; the next one takes a sixth longer."""
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


def keep_few_products() -> None:
    """Let oneDNN keep fewer compiled products, unless the user chose; before the first of them."""
    for name in ("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "LRU_CACHE_CAPACITY"):
        os.environ.setdefault(name, PRODUCTS)


def give_back() -> None:
    """Give the system the memory that is free, where the C library can (glibc)."""
    trim = _malloc_trim()
    if trim is not None:
        trim(0)


@cache
def _malloc_trim() -> Any:
    try:
        return getattr(ctypes.CDLL(None), "malloc_trim", None)
    except (OSError, TypeError):
        return None

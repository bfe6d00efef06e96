"""Memory for what a forward pass keeps, for outputs and for their gradients, used again.

A fresh large buffer costs a page fault for every 4 KiB, in small networks more than the arithmetic.
So what is given back is kept, as much as was ever in use at once and no more. It lies in huge pages
where the system has them: a token's numbers are far from the next one's, each row's tokens farther.
"""

from __future__ import annotations

import math
import mmap
import threading
import weakref
from contextlib import suppress

import torch
from torch import Tensor

TAPE = 1 << 18
"""Numbers on a tape that torch's own allocator hands out as quickly."""

OUTPUTS = 1 << 21
"""Numbers of outputs, or of their gradients, that do not stay in cache."""


def empty(shape: tuple[int, ...], dtype: torch.dtype, least: int) -> Tensor:
    """Return a tensor to be written; from so many numbers on, it is one of the memory kept here.

    That is given back when no tensor holds it any more. Raises `MemoryError`.
    """
    count = math.prod(shape)
    if count < least:
        return torch.empty(shape, dtype=dtype)
    buffer = _store.take(count, dtype)
    array = buffer[:count].view(torch.uint8).numpy()
    weakref.finalize(array, _store.give, buffer).atexit = False
    storage = torch.from_numpy(array).untyped_storage()
    return torch.empty(0, dtype=dtype).set_(storage, 0, shape)  # type: ignore[call-overload]


class _Store:
    def __init__(self) -> None:
        self.lock = threading.RLock()  # what the garbage collector finds is given at any moment
        self.free: list[Tensor] = []
        self.used = self.most = 0

    def take(self, count: int, dtype: torch.dtype) -> Tensor:
        step = 1 << max(0, count.bit_length() - 3)
        count = -(-count // step) * step  # few sizes, so that one serves for another
        with self.lock:
            fitting = [t for t in self.free if t.dtype == dtype and count <= t.numel() <= 2 * count]
            if fitting:
                found = min(fitting, key=Tensor.numel)
                self.free = [t for t in self.free if t is not found]
            else:
                found = _mapped(count, dtype)
            self.used += found.nbytes
            self.most = max(self.most, self.used)
            self._shrink()
        return found

    def give(self, buffer: Tensor) -> None:
        with self.lock:
            self.used -= buffer.nbytes
            self.free.append(buffer)
            self._shrink()

    def _shrink(self) -> None:
        while self.free and sum(t.nbytes for t in self.free) + self.used > self.most:
            self.free.pop(0)


def _mapped(count: int, dtype: torch.dtype) -> Tensor:
    """Return fresh memory of its own, in huge pages if that is allowed; raises `MemoryError`."""
    huge = getattr(mmap, "MADV_HUGEPAGE", None)
    if huge is None:
        return torch.empty(count, dtype=dtype)
    try:
        pages = mmap.mmap(-1, count * dtype.itemsize, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    except OSError as error:
        raise MemoryError(f"{count * dtype.itemsize:,} bytes for a recurrence's tape") from error
    with suppress(OSError):
        pages.madvise(huge)
    return torch.frombuffer(pages, dtype=dtype)


_store = _Store()

"""Memory for what a forward pass keeps, used again by the next one.

A fresh large buffer costs a page fault for every 4 KiB, in small networks more than the arithmetic.
So what is given back is kept, as much as was ever in use at once and no more.
"""

from __future__ import annotations

import threading

import torch
from torch import Tensor

SMALL = 1 << 18
"""Numbers in a buffer that torch's own allocator hands out as quickly."""


class Tape:
    """A buffer of numbers, given back when nobody holds it any more."""

    def __init__(self, count: int, dtype: torch.dtype) -> None:
        self.numbers = _store.take(count, dtype)

    def __del__(self) -> None:
        _store.give(self.numbers)


class _Store:
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.free: list[Tensor] = []
        self.used = self.most = 0

    def take(self, count: int, dtype: torch.dtype) -> Tensor:
        if count < SMALL:
            return torch.empty(count, dtype=dtype)
        step = 1 << max(0, count.bit_length() - 3)
        count = -(-count // step) * step  # few sizes, so that one serves for another
        with self.lock:
            fitting = [t for t in self.free if t.dtype == dtype and count <= t.numel() <= 2 * count]
            if fitting:
                found = min(fitting, key=Tensor.numel)
                self.free = [t for t in self.free if t is not found]
            else:
                found = torch.empty(count, dtype=dtype)
            self.used += found.nbytes
            self.most = max(self.most, self.used)
            self._shrink()
        return found

    def give(self, buffer: Tensor) -> None:
        if buffer.numel() < SMALL:
            return
        with self.lock:
            self.used -= buffer.nbytes
            self.free.append(buffer)
            self._shrink()

    def _shrink(self) -> None:
        while self.free and sum(t.nbytes for t in self.free) + self.used > self.most:
            self.free.pop(0)


_store = _Store()

"""Memory for what a forward pass keeps, for outputs and for their gradients, used again.

A fresh large buffer costs a page fault for every 4 KiB, in small networks more than the arithmetic.
So what is given back is kept, about as much as was ever in use at once, and a smaller request takes
a part of it. It lies in huge pages where the system has them: a token's numbers are far from those
of the next one, each row's tokens farther.
"""

from __future__ import annotations

import math
import mmap
import threading
import weakref
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field

import torch
from torch import Tensor

LEAST = 1 << 18
"""Numbers that torch's own allocator no longer hands out as quickly."""

ALIGNMENT = 64
"""Bytes of a line of the cache, in which each tensor begins anew."""


def empty(shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    """Return a tensor to be written; from `LEAST` numbers on, it is one of the memory kept here.

    That is given back when no tensor holds it any more. Raises `MemoryError`.
    """
    count = math.prod(shape)
    if count < LEAST:
        return torch.empty(shape, dtype=dtype)
    piece = _store.take(count * dtype.itemsize)
    array = piece.bytes[: count * dtype.itemsize].numpy()
    weakref.finalize(array, _store.give, piece).atexit = False
    storage = torch.from_numpy(array).untyped_storage()
    return torch.empty(0, dtype=dtype).set_(storage, 0, shape)  # type: ignore[call-overload]


@dataclass
class _Block:
    """Memory that was mapped at once; `gaps` are the parts of it that are free, in order."""

    bytes: Tensor
    gaps: list[tuple[int, int]]

    def join(self, start: int, stop: int) -> None:
        """Make a part free again, and one gap with those beside it."""
        others = []
        for gap in self.gaps:
            if gap[1] == start:
                start = gap[0]
            elif gap[0] == stop:
                stop = gap[1]
            else:
                others.append(gap)
        self.gaps = sorted([*others, (start, stop)])

    @property
    def is_free(self) -> bool:
        """Whether nobody has any of it."""
        return self.gaps == [(0, len(self.bytes))]


@dataclass
class _Piece:
    block: _Block
    start: int
    stop: int

    @property
    def bytes(self) -> Tensor:
        return self.block.bytes[self.start : self.stop]


@dataclass
class _Store:
    lock: threading.Lock = field(default_factory=threading.Lock)
    blocks: list[_Block] = field(default_factory=list)
    returned: deque[_Piece] = field(default_factory=deque)
    used: int = 0
    most: int = 0

    def take(self, count: int) -> _Piece:
        """Return so many bytes: of the smallest gap that has them, else of a new block."""
        size = -(-count // ALIGNMENT) * ALIGNMENT
        with self.lock:
            self._settle()
            fitting = [
                (stop - start, number, start)
                for number, block in enumerate(self.blocks)
                for start, stop in block.gaps
                if stop - start >= size
            ]
            if fitting:
                room, number, start = min(fitting)
                block = self.blocks[number]
                block.gaps.remove((start, start + room))
            else:
                block, start = _Block(_mapped(size), []), 0
                room = len(block.bytes)
                self.blocks.append(block)
            if room > size:
                block.join(start + size, start + room)
            self.used += size
            self.most = max(self.most, self.used)
            self._settle()
        return _Piece(block, start, start + size)

    def give(self, piece: _Piece) -> None:
        """Take a piece back, at any moment: the garbage collector may call within `take`."""
        self.returned.append(piece)
        if self.lock.acquire(blocking=False):
            try:
                self._settle()
            finally:
                self.lock.release()

    def _settle(self) -> None:
        """Free what was returned; then blocks without which there is as much as was ever in use."""
        while self.returned:
            piece = self.returned.popleft()
            piece.block.join(piece.start, piece.stop)
            self.used -= piece.stop - piece.start
        for block in [block for block in self.blocks if block.is_free]:
            if sum(len(one.bytes) for one in self.blocks) - len(block.bytes) >= self.most:
                self.blocks = [one for one in self.blocks if one is not block]


def _mapped(count: int) -> Tensor:
    """Return fresh bytes, that many or a few more, in huge pages if that is allowed.

    Raises `MemoryError`.
    """
    step = max(ALIGNMENT, 1 << max(0, count.bit_length() - 3))
    size = -(-count // step) * step  # few sizes, so that one serves for another
    huge = getattr(mmap, "MADV_HUGEPAGE", None)
    if huge is None:
        return torch.empty(size, dtype=torch.uint8)
    try:
        pages = mmap.mmap(-1, size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    except OSError as error:
        raise MemoryError(f"{size:,} bytes for a recurrence's tape") from error
    with suppress(OSError):
        pages.madvise(huge)
    return torch.frombuffer(pages, dtype=torch.uint8)


_store = _Store()

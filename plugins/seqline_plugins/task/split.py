"""The split: examples in numbers, batched.

Letters: B batch, T time.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from torch import Tensor

from seqline_plugins.architecture import Kind

Batch = dict[str, Tensor]
"""What the inputs and the head read; always has `lengths`, (B,)."""


class EncodedSplit(ABC):
    """Examples in numbers: how long each is, and any of them as a padded batch.

    timed   the batch's tensors that run along time, (B, T, …): what truncated BPTT cuts
    """

    lengths: Sequence[int]
    timed: ClassVar[tuple[str, ...]] = ()

    @property
    def tokens(self) -> int:
        """Steps of all rows together."""
        return int(sum(int(length) for length in self.lengths))

    @abstractmethod
    def batch(self, rows: Sequence[int]) -> Batch:
        """Return the chosen rows as one padded batch."""

    def window(self, rows: Sequence[int], start: int, stop: int) -> Batch:
        """Return steps `start` to `stop` of the chosen rows; `lengths` are those inside.

        A row that ends before has 0 steps there.
        """
        whole = self.batch(rows)
        cut = {name: whole[name][:, start:stop] for name in self.timed}
        inside = (whole["lengths"] - start).clamp(0, stop - start)
        return {**whole, **cut, "lengths": inside}

    def seen_by(self, kind: Kind) -> EncodedSplit:
        """Return the split as an architecture of a kind reads it by rows; by default as it is."""
        return self

    def streams(self, count: int) -> EncodedSplit | None:
        """Return running text as `count` rows of equal length, side by side; the end may be cut.

        They are read by `window`, each going on where it stopped, with the state carried. None for
        examples that have nothing to do with each other.
        """
        return None

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write the split as Arrow tables into `folder`, which is there."""

    @classmethod
    @abstractmethod
    def load(cls, folder: Path) -> EncodedSplit:
        """Open what `save` wrote, memory-mapped."""

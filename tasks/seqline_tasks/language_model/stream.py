"""A text in numbers, in a memory-mapped Arrow table, read in streams side by side or in windows.

Letters: B rows, T steps, N characters, W steps of a window.
"""

from __future__ import annotations

import itertools
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from seqline_plugins.architecture import Kind
from seqline_plugins.errors import UserError
from seqline_plugins.task.source import Example
from seqline_plugins.task.split import Batch, EncodedSplit
from seqline_tasks.data.ragged import Integers

CHUNK = 1 << 20
"""Numbers in a record batch of the table, the last one excepted."""
FILE, COLUMN = "text.arrow", "character"


class Marks:
    """What the parts of a text are of: where each begins, and the number of its class."""

    def __init__(self, starts: Sequence[int], classes: Sequence[int]) -> None:
        self.starts = np.asarray(starts, dtype=np.int64)
        self.classes = np.asarray(classes, dtype=np.int64)

    def at(self, places: Sequence[int]) -> torch.Tensor:
        """Return the class of each place."""
        found = np.searchsorted(self.starts, np.asarray(places), side="right") - 1
        return torch.from_numpy(self.classes[found])

    def spelled(self) -> str:
        """Return it as text."""
        return json.dumps([self.starts.tolist(), self.classes.tolist()])

    @classmethod
    def read(cls, text: bytes | None) -> Marks | None:
        """Return what was spelled, None for nothing."""
        return cls(*json.loads(text)) if text else None


class Numbers(ABC):
    """Numbers one after the other."""

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def cut(self, start: int, stop: int) -> Integers:
        """Return some of them."""

    @abstractmethod
    def chunks(self) -> Iterator[Integers]:
        """Yield all of them in pieces of any length."""


class Encoded(Numbers):
    """Texts that become numbers when they are gone through; held only once they are cut."""

    def __init__(
        self, examples: Iterable[Example], numbers: Callable[[str], Integers], kind: Any
    ) -> None:
        self.examples, self.numbers, self.kind = examples, numbers, kind
        self._all: Integers | None = None
        self._length: int | None = getattr(examples, "characters", None)

    def __len__(self) -> int:
        if self._length is None:
            self._length = sum(len(example["text"]) for example in self.examples)
        return self._length

    def chunks(self) -> Iterator[Integers]:
        """Yield the numbers of each text."""
        for example in self.examples:
            yield self.numbers(example["text"])

    def cut(self, start: int, stop: int) -> Integers:
        """Return some of the numbers."""
        if self._all is None:
            self._all = np.concatenate([np.zeros(0, dtype=self.kind), *self.chunks()])
        return self._all[start:stop]


class Stored(Numbers):
    """Numbers in a table whose record batches are equally long, nothing of it in memory."""

    def __init__(self, path: Path) -> None:
        import pyarrow

        self._file = pyarrow.ipc.open_file(pyarrow.memory_map(str(path)))
        kept = self._file.schema.metadata
        self._length, self.window = int(kept[b"characters"]), int(kept[b"window"])
        self.classes = Marks.read(kept.get(b"classes"))

    def __len__(self) -> int:
        return self._length

    def chunks(self) -> Iterator[Integers]:
        """Yield one record batch after the other."""
        for number in range(self._file.num_record_batches):
            yield self._chunk(number)

    def cut(self, start: int, stop: int) -> Integers:
        """Return some of the numbers, a view where they are in one record batch."""
        first, last = start // CHUNK, max(start, stop - 1) // CHUNK
        if first == last:
            return self._chunk(first)[start - first * CHUNK : stop - first * CHUNK]
        parts = [self._chunk(number) for number in range(first, last + 1)]
        return np.concatenate(parts)[start - first * CHUNK : stop - first * CHUNK]

    def _chunk(self, number: int) -> Integers:
        found: Integers = self._file.get_batch(number).column(0).to_numpy()
        return found


class CharacterStream(EncodedSplit):
    """Running text: each character is told by those before it.

    As rows it is windows: W characters and the one after them. `classes` say what each part of it
    is of, where a text is made from that.
    """

    def __init__(self, numbers: Numbers, window: int, classes: Marks | None = None) -> None:
        self.numbers, self.steps, self.classes = numbers, window, classes

    @property
    def lengths(self) -> Integers:  # type: ignore[override]
        """W for every window; one number, however many there are."""
        return np.broadcast_to(np.int64(self.steps), max(0, len(self.numbers) - self.steps))

    @property
    def tokens(self) -> int:
        """Characters of the text."""
        return len(self.numbers)

    def batch(self, rows: Sequence[int]) -> Batch:
        """Return windows: lengths (B,), tokens (B, W), and the next character, targets (B,)."""
        cut = [self.numbers.cut(row, row + self.steps + 1) for row in rows]
        read = _stacked(cut)
        return {
            "lengths": torch.full((len(cut),), self.steps),
            "tokens": read[:, :-1],
            "targets": read[:, -1],
        }

    def seen_by(self, kind: Kind) -> EncodedSplit:
        """Return pieces one after the other for an architecture that writes; else windows."""
        writes = kind.output == "sequence"
        return Pieces(self.numbers, self.steps, self.classes) if writes else self

    def streams(self, count: int) -> Streams:
        """Return `count` parts of equal length; the last characters that do not fill one are cut.

        Raises `UserError` for a text that has not a character for each.
        """
        return Streams(self.numbers, count)

    def save(self, folder: Path) -> None:
        """Write `text.arrow`, a record batch after the other."""
        import pyarrow

        folder.mkdir(parents=True, exist_ok=True)
        values = iter(_of_size(self.numbers.chunks(), CHUNK))
        first = next(values, np.zeros(0, dtype=np.uint8))
        kept = {"characters": str(len(self.numbers)), "window": str(self.steps)}
        kept |= {"classes": self.classes.spelled()} if self.classes else {}
        field = pyarrow.field(COLUMN, pyarrow.from_numpy_dtype(first.dtype))
        schema = pyarrow.schema([field], metadata=kept)
        with pyarrow.ipc.new_file(str(folder / FILE), schema) as table:
            for chunk in itertools.chain([first], values):
                table.write_batch(pyarrow.record_batch([pyarrow.array(chunk)], schema=schema))

    @classmethod
    def load(cls, folder: Path) -> CharacterStream:
        """Open the table, memory-mapped."""
        stored = Stored(folder / FILE)
        return cls(stored, stored.window, stored.classes)


class Cut(EncodedSplit):
    """A text as it is read; it is the text that is stored."""

    def save(self, folder: Path) -> None:
        """Not stored: the text is."""
        raise NotImplementedError("rows are cut from a stored text when it is read")

    @classmethod
    def load(cls, folder: Path) -> Cut:
        """Not stored: the text is."""
        raise NotImplementedError("rows are cut from a stored text when it is read")


class Pieces(Cut):
    """A text cut into pieces of W characters, each by itself, of the class it begins in."""

    def __init__(self, numbers: Numbers, steps: int, classes: Marks | None = None) -> None:
        self.numbers, self.steps, self.classes = numbers, steps, classes
        count = max(0, len(numbers) - 1) // steps
        self.lengths = np.broadcast_to(np.int64(steps), count)  # type: ignore[assignment]

    def batch(self, rows: Sequence[int]) -> Batch:
        """Return pieces: lengths (B,), tokens (B, W), what follows each, targets (B, W).

        Where they have classes, class (B,) too.
        """
        places = [row * self.steps for row in rows]
        read = _stacked([self.numbers.cut(at, at + self.steps + 1) for at in places])
        lengths = torch.full((len(places),), self.steps)
        batch = {"lengths": lengths, "tokens": read[:, :-1], "targets": read[:, 1:]}
        return batch if self.classes is None else batch | {"class": self.classes.at(places)}


class Streams(Cut):
    """A text cut into parts that are read side by side."""

    def __init__(self, numbers: Numbers, count: int) -> None:
        self.numbers, self.length = numbers, (len(numbers) - 1) // count
        if self.length < 1:
            raise UserError(
                f"trainer.batch_size: found {count} streams, but the text has only {len(numbers)} "
                "characters; take fewer, or more text."
            )
        self.lengths = np.full(count, self.length, dtype=np.int64)  # type: ignore[assignment]

    def batch(self, rows: Sequence[int]) -> Batch:
        """Return whole parts."""
        return self.window(rows, 0, self.length)

    def window(self, rows: Sequence[int], start: int, stop: int) -> Batch:
        """Return steps of some parts: lengths (B,), tokens (B, T), what follows each, targets."""
        stop = min(stop, self.length)
        places = [row * self.length for row in rows]
        read = _stacked([self.numbers.cut(at + start, at + stop + 1) for at in places])
        lengths = torch.full((len(places),), stop - start)
        return {"lengths": lengths, "tokens": read[:, :-1], "targets": read[:, 1:]}


def _stacked(cut: Sequence[Integers]) -> torch.Tensor:
    return torch.from_numpy(np.stack(cut).astype(np.int64))


def _of_size(chunks: Iterable[Integers], size: int) -> Iterator[Integers]:
    """Yield arrays as arrays of `size`, the last one shorter."""
    waiting: list[Integers] = []
    count = 0
    for chunk in chunks:
        waiting.append(chunk)
        count += len(chunk)
        if count >= size:
            joined = np.concatenate(waiting)
            whole = count - count % size
            yield from np.split(joined[:whole], whole // size)
            waiting, count = [joined[whole:]], count % size
    if count:
        yield np.concatenate(waiting)

"""Running text that need not fit in memory: read block by block, anew each time.

One pass counts the characters and checks the bytes; every later one reads only the part that it
is asked for.
"""

from __future__ import annotations

import codecs
import gzip
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from io import BufferedIOBase
from pathlib import Path
from typing import Any, overload

from seqline_plugins.errors import UserError
from seqline_plugins.task.source import Example

BLOCK = 1 << 18
"""Characters of a text that are looked at at once."""
BYTES = 1 << 20
"""Bytes that are read at once."""
MARK = b"\xef\xbb\xbf"


class Text(ABC):
    """A text of known length that can be read from anywhere."""

    characters: int

    @abstractmethod
    def pieces(self, start: int) -> Iterator[str]:
        """Yield the text from character `start` on, in pieces of any length."""


class FileText(Text):
    """A file of UTF-8, gz or plain; where its last line has no end, it is given one.

    Raises `UserError` naming file and byte for what is no UTF-8, and for what cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.characters, last, size = path, 0, "\n", 0
        for piece in self._decoded(0):
            self.characters += len(piece)
            size += len(piece) if piece.isascii() else 4 * len(piece)
            last = piece[-1]
        self._closed = last == "\n"
        plain = path.suffix != ".gz" and not _is_marked(path)
        self._seekable = plain and size == self.characters
        """Whether a character is a byte, so that a part can be found without reading on to it."""
        self.characters += not self._closed

    def pieces(self, start: int) -> Iterator[str]:
        """Yield the text from character `start` on."""
        skip = 0 if self._seekable else start
        for piece in self._decoded(start if self._seekable else 0):
            if skip < len(piece):
                yield piece[skip:]
            skip = max(0, skip - len(piece))
        if not self._closed and skip == 0:
            yield "\n"

    def _decoded(self, at: int) -> Iterator[str]:
        try:
            with (
                gzip.open(self.path) if self.path.suffix == ".gz" else self.path.open("rb")
            ) as stream:
                yield from _decode(stream, str(self.path), at)
        except EOFError as error:
            raise UserError(f"{self.path}: the gz file is cut short; fetch it again.") from error
        except (gzip.BadGzipFile, zlib.error) as error:
            raise UserError(
                f"{self.path}: not a valid gz file ({error}); fetch it again."
            ) from error
        except OSError as error:
            raise UserError(f"{self.path}: cannot be read ({error.strerror or error}).") from error


class StringText(Text):
    """A text that is there already."""

    def __init__(self, text: str) -> None:
        self.text, self.characters = text, len(text)

    def pieces(self, start: int) -> Iterator[str]:
        """Yield it from character `start` on."""
        if start < len(self.text):
            yield self.text[start:]


class TableText(Text):
    """A column of a dataset that is read from its memory-mapped table, a line break after each."""

    def __init__(self, table: Any, column: str) -> None:
        self.table, self.column = table, column
        self.characters = sum(map(len, self._rows()))

    def pieces(self, start: int) -> Iterator[str]:
        """Yield the rows from character `start` on."""
        for row in self._rows():
            if start < len(row):
                yield row[start:]
            start = max(0, start - len(row))

    def _rows(self) -> Iterator[str]:
        for row in self.table:
            yield f"{row[self.column] or ''}\n"


class RunningText(Sequence[Example]):
    """Characters `start` to `stop` of some texts, one after the other, as {"text": block}.

    `names` are the texts' classes, where they have any. Nothing is held: going through it reads the
    texts again.
    """

    def __init__(
        self,
        texts: Sequence[Text],
        start: int = 0,
        stop: int | None = None,
        names: Sequence[str] = (),
    ) -> None:
        whole = sum(text.characters for text in texts)
        self.texts, self.start, self.names = texts, start, names
        self.stop = whole if stop is None else min(stop, whole)

    @property
    def characters(self) -> int:
        """How many there are."""
        return self.stop - self.start

    def part(self, start: int, stop: int) -> RunningText:
        """Return characters `start` to `stop` of it."""
        first, last = self.start + start, min(self.start + stop, self.stop)
        return RunningText(self.texts, first, last, self.names)

    def classes(self) -> list[tuple[int, str]]:
        """Return where each text with a class begins in it, and that class."""
        found, before = [], 0
        for text, name in zip(self.texts, self.names, strict=True) if self.names else ():
            after = before + text.characters
            if after > self.start and before < self.stop:
                found.append((max(0, before - self.start), name))
            before = after
        return found

    def __len__(self) -> int:
        return -(-self.characters // BLOCK)

    def __iter__(self) -> Iterator[Example]:
        for block in blocks_of(self.pieces(), BLOCK):
            yield {"text": block}

    @overload
    def __getitem__(self, place: int) -> Example: ...
    @overload
    def __getitem__(self, place: slice) -> RunningText: ...
    def __getitem__(self, place: int | slice) -> Example | RunningText:
        if isinstance(place, slice):
            start, stop, _ = place.indices(len(self))
            return self.part(start * BLOCK, stop * BLOCK)
        if not 0 <= place < len(self):
            raise IndexError(place)
        return next(iter(self.part(place * BLOCK, (place + 1) * BLOCK)))

    def pieces(self) -> Iterator[str]:
        """Yield it in pieces of any length."""
        before = 0
        for text in self.texts:
            after = before + text.characters
            if after > self.start and before < self.stop:
                at = max(self.start, before)
                for piece in text.pieces(at - before):
                    kept = piece[: self.stop - at]
                    if kept:
                        yield kept
                    at += len(kept)
                    if at >= self.stop:
                        return
            before = after


class Portion(Text):
    """A running text as one text among others."""

    def __init__(self, running: RunningText) -> None:
        self.running, self.characters = running, running.characters

    def pieces(self, start: int) -> Iterator[str]:
        """Yield it from character `start` on."""
        yield from self.running.part(start, self.characters).pieces()


def _is_marked(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(len(MARK)) == MARK


def blocks_of(pieces: Iterable[str], size: int) -> Iterator[str]:
    """Yield pieces of text as blocks of `size` characters, the last one shorter."""
    waiting: list[str] = []
    count = 0
    for piece in pieces:
        waiting.append(piece)
        count += len(piece)
        if count < size:
            continue
        joined = "".join(waiting)
        whole = count - count % size
        for start in range(0, whole, size):
            yield joined[start : start + size]
        waiting, count = [joined[whole:]], count % size
    if count:
        yield "".join(waiting)


def _decode(stream: BufferedIOBase, place: str, at: int) -> Iterator[str]:
    """Yield the text of a stream from byte `at` on, without the mark that may stand before it."""
    if at:
        stream.seek(at)
    decoder = codecs.getincrementaldecoder("utf-8")()
    while raw := stream.read(BYTES):
        waiting = len(decoder.getstate()[0])
        text = _checked(decoder, raw, place, at - waiting)
        if at == 0 and raw.startswith(MARK):
            text = text.removeprefix("\ufeff")
        at += len(raw)
        if text:
            yield text
    _checked(decoder, b"", place, at - len(decoder.getstate()[0]), final=True)


def _checked(
    decoder: codecs.IncrementalDecoder, raw: bytes, place: str, at: int, final: bool = False
) -> str:
    try:
        return decoder.decode(raw, final)
    except UnicodeDecodeError as error:
        found = f"0x{error.object[error.start]:02x}"
        raise UserError(
            f"{place}, byte {at + error.start:,}: found {found}, expected UTF-8 text. Convert it "
            "(iconv -t UTF-8)."
        ) from error

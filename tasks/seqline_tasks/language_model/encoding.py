"""Characters in numbers, by a table over all of Unicode: a block at once, whatever is in it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from seqline_plugins.task.encoding import Encoding
from seqline_plugins.task.source import Example
from seqline_tasks.data.ragged import Integers
from seqline_tasks.language_model.corpus import RunningText
from seqline_tasks.language_model.stream import CharacterStream, Encoded, Marks

UNKNOWN = 0
"""The number of every character that training never had, or too seldom."""
CODES = 0x110000


class CharacterEncoding(Encoding):
    """Each character's number, from 1 on in their order; `window` is what many-to-one reads.

    `classes` are the names of what texts are made from, numbered from 1 on too, if they are.
    """

    def __init__(self, characters: Sequence[str], window: int, classes: Sequence[str] = ()) -> None:
        self.characters, self.window, self.classes = list(characters), window, list(classes)
        self.kind = np.min_scalar_type(len(self.characters))
        self._number = np.zeros(CODES, dtype=self.kind)
        self._code = np.array([0xFFFD, *map(ord, self.characters)], dtype="<u4")
        self._number[self._code[1:]] = np.arange(1, len(self), dtype=self.kind)

    def __len__(self) -> int:
        return len(self.characters) + 1

    @classmethod
    def build(cls, examples: Iterable[Example], config: Any) -> CharacterEncoding:
        """Count the characters of the training text."""
        counts = np.zeros(CODES, dtype=np.int64)
        for example in examples:
            found = np.bincount(codes_of(example["text"]))
            counts[: len(found)] += found
        kept = np.flatnonzero(counts >= config.characters.min_count)
        classes = sorted({name for _, name in _classes_in(examples)})
        return cls([chr(code) for code in kept.tolist()], config.window, classes)

    def save(self, folder: Path) -> None:
        """Write `characters.json`."""
        kept = {"characters": self.characters, "window": self.window, "classes": self.classes}
        (folder / "characters.json").write_text(json.dumps(kept), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> CharacterEncoding:
        """Read back what `save` wrote."""
        kept = json.loads((folder / "characters.json").read_text(encoding="utf-8"))
        return cls(**kept)

    def describe(self) -> dict[str, int]:
        """Return how many characters there are, and classes."""
        classes = {"classes": len(self.classes)} if self.classes else {}
        return {"characters": len(self.characters)} | classes

    def encode(self, examples: Sequence[Example]) -> CharacterStream:
        """Return a text in numbers; it is read only when it is saved or used."""
        classes = None
        if self.classes:
            given = _classes_in(examples) or [(0, "")]
            classes = Marks([at for at, _ in given], [self.class_of(name) for _, name in given])
        return CharacterStream(Encoded(examples, self.numbers, self.kind), self.window, classes)

    def class_of(self, name: str) -> int:
        """Return a class's number, UNKNOWN for one that training never had."""
        return self.classes.index(name) + 1 if name in self.classes else UNKNOWN

    def numbers(self, text: str) -> Integers:
        """Return the number of each character."""
        found: Integers = self._number[codes_of(text)]
        return found

    def text(self, numbers: Sequence[int] | Integers) -> str:
        """Return the text of numbers, � for what is unknown."""
        return self._code[np.asarray(numbers, dtype=np.int64)].tobytes().decode("utf-32-le")

    def unknown(self, text: str) -> list[str]:
        """Return the characters of a text that have no number, once each."""
        return sorted({char for char in text if self._number[ord(char)] == UNKNOWN})


def _classes_in(examples: Iterable[Example]) -> list[tuple[int, str]]:
    return examples.classes() if isinstance(examples, RunningText) else []


def codes_of(text: str) -> Integers:
    """Return each character's code point."""
    if text.isascii():
        return np.frombuffer(text.encode("ascii"), dtype=np.uint8)
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")

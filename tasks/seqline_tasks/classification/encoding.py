"""Texts and their classes in numbers.

What is read of a word is the tagger's: its vector, characters, affixes and shape, worked out once
a distinct word.
Letters: B texts, T words.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from seqline_plugins.task.encoding import Encoding
from seqline_plugins.task.source import Example
from seqline_plugins.task.split import Batch, EncodedSplit
from seqline_tasks.data.labels import classes_of, numbers_of
from seqline_tasks.data.ragged import Integers
from seqline_tasks.data.tables import load_table, save_table
from seqline_tasks.pos_tagging.config import Auxiliary
from seqline_tasks.pos_tagging.encoding import TagEncoding, TaggedSentences


@dataclass
class TextEncoding(Encoding):
    """The words' vocabularies, and the names of the classes."""

    words: TagEncoding
    classes: list[str]
    longest: int

    @classmethod
    def build(cls, examples: Iterable[Example], config: Any) -> TextEncoding:
        """Count the training texts' words and classes."""
        given = list(examples)
        kinds = ("words", "characters", "affixes", "shape")
        of_words = {kind: getattr(config, kind) for kind in kinds}
        options = SimpleNamespace(**of_words, auxiliary=Auxiliary())
        read = _untagged(given, config.longest)
        return cls(TagEncoding.build(read, options), classes_of(given), config.longest)

    def save(self, folder: Path) -> None:
        """Write the vocabularies and `classes.json`."""
        self.words.save(folder)
        kept = {"classes": self.classes, "longest": self.longest}
        text = json.dumps(kept, ensure_ascii=False)
        (folder / "classes.json").write_text(text, encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> TextEncoding:
        """Read back what `save` wrote."""
        kept = json.loads((folder / "classes.json").read_text(encoding="utf-8"))
        return cls(TagEncoding.load(folder), **kept)

    def describe(self) -> dict[str, int]:
        """Return the sizes of the vocabularies."""
        sizes = self.words.describe()
        del sizes["tags"]
        return {**sizes, "classes": len(self.classes)}

    def encode(self, examples: Sequence[Example]) -> TextRows:
        """Return texts in numbers; a class unknown from training is never predicted."""
        words = self.words.encode(_untagged(examples, self.longest))
        return TextRows(words, np.asarray(numbers_of(examples, self.classes), dtype=np.int32))


@dataclass
class TextRows(EncodedSplit):
    """A row a text: its words, as the tagger has them, and its class."""

    words: TaggedSentences
    target: Integers

    @property
    def lengths(self) -> Integers:  # type: ignore[override]
        """Words in every text."""
        return self.words.lengths

    def batch(self, rows: Sequence[int]) -> Batch:
        """Return texts as the tagger's sentences, and target (B,)."""
        target = torch.from_numpy(self.target[np.asarray(rows)].astype(np.int64))
        return {**self.words.batch(rows), "target": target}

    def save(self, folder: Path) -> None:
        """Write the words' tables and one of the classes."""
        self.words.save(folder)
        save_table({"target": self.target}, folder / "classes")

    @classmethod
    def load(cls, folder: Path) -> TextRows:
        """Open them, memory-mapped."""
        columns: dict[str, Any] = load_table(folder / "classes")
        return cls(TaggedSentences.load(folder), columns["target"])


def _untagged(examples: Iterable[Example], longest: int) -> list[Example]:
    """Return texts as sentences to be read; one without a word has an empty one."""
    read = [(example["words"] or [""])[:longest] for example in examples]
    return [{"words": words, "tags": [None] * len(words)} for words in read]

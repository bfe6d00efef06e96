"""Words and tags in numbers: the vocabularies, and what is known of every distinct word.

What the network reads of a word (its number, characters, affixes, shape) is worked out once a
distinct word, a *type*; a sentence is a row of types. So a batch's characters are read once a
type, however often the word stands in it.
Letters: B sentences, T words, U types, C characters, A affixes.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from seqline_plugins.task.encoding import Encoding
from seqline_plugins.task.source import Example
from seqline_plugins.task.split import Batch, EncodedSplit
from seqline_tasks.data.ragged import Integers, Ragged
from seqline_tasks.data.tables import load_table, save_table

PAD, UNKNOWN = 0, 1
SPECIAL = 2
NOTHING = "_"
UNSCORED = -100
"""The tag of padding and of words without a tag: they are read and not scored."""


@dataclass
class TagEncoding(Encoding):
    """Vocabularies by name, each word to its number; numbers 0 and 1 are padding and unknown."""

    longest_affix: int
    max_characters: int
    tags: list[str]
    word_counts: dict[str, int]
    words: dict[str, int]
    characters: dict[str, int]
    affixes: dict[str, int]
    shapes: dict[str, int]
    lowercase: bool = False
    auxiliary: dict[str, list[str]] = field(default_factory=dict)
    _tag_numbers: dict[str, int] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._tag_numbers = {tag: number for number, tag in enumerate(self.tags)}

    @classmethod
    def build(cls, examples: Iterable[Example], config: Any) -> TagEncoding:
        """Count the training sentences' words and tags."""
        words: Counter[str] = Counter()
        tags: Counter[str] = Counter()
        others: dict[str, Counter[str]] = {name: Counter() for name in config.auxiliary.columns}
        for example in examples:
            words.update(example["words"])
            tags.update(tag for tag in example["tags"] if tag is not None)
            for column, counts in others.items():
                counts.update(value or NOTHING for value in example["auxiliary"][column])
        vectors: Counter[str] = Counter()
        for word, count in words.items():
            vectors[word.lower() if config.words.lowercase else word] += count
        longest = config.affixes.longest if config.affixes.size else 0
        shapes = Counter(map(shape_of, words) if config.shape.size else ())
        affixes = Counter(affix for word in words for affix in affixes_of(word, longest))
        return cls(
            longest_affix=longest,
            max_characters=config.characters.max_length,
            tags=sorted(tags),
            word_counts=dict(sorted(words.items())),
            words=_number(vectors, config.words.min_count),
            characters=_number(Counter(char for word in words for char in word), 1),
            affixes=_number(affixes, config.affixes.min_count),
            shapes=_number(shapes, 1),
            lowercase=config.words.lowercase,
            auxiliary={
                column: sorted(v for v, n in counts.items() if n >= config.auxiliary.min_count)
                for column, counts in others.items()
            },
        )

    def save(self, folder: Path) -> None:
        """Write `vocabulary.json`."""
        stored = {key: value for key, value in asdict(self).items() if not key.startswith("_")}
        text = json.dumps(stored, ensure_ascii=False, indent=1)
        (folder / "vocabulary.json").write_text(text, encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> TagEncoding:
        """Read `vocabulary.json`."""
        text = (folder / "vocabulary.json").read_text(encoding="utf-8")
        return cls(**json.loads(text))

    def describe(self) -> dict[str, int]:
        """Return the sizes of the vocabularies."""
        return {
            "words": len(self.words),
            "characters": len(self.characters),
            "affixes": len(self.affixes),
            "shapes": len(self.shapes),
            "tags": len(self.tags),
        }

    def encode(self, examples: Sequence[Example]) -> TaggedSentences:
        """Return sentences in numbers; a tag unknown from training is never predicted."""
        types: dict[str, int] = {}
        rows = [[types.setdefault(word, len(types)) for word in e["words"]] for e in examples]
        tags = [[self._tag_number(tag) for tag in e["tags"]] for e in examples]
        return TaggedSentences(
            types=Ragged.of(rows),
            tags=Ragged.of(tags),
            word=_flat(self.words.get(self._vector_of(word), UNKNOWN) for word in types),
            count=_flat(self.word_counts.get(word, 0) for word in types),
            shape=_flat(self._shape_number(word) for word in types),
            affixes=Ragged.of(self._affix_numbers(word) for word in types),
            characters=Ragged.of(self._character_numbers(word) for word in types),
            auxiliary=self._auxiliary_numbers(examples),
        )

    def _vector_of(self, word: str) -> str:
        return word.lower() if self.lowercase else word

    def _auxiliary_numbers(self, examples: Sequence[Example]) -> dict[str, Ragged]:
        """The auxiliary columns in numbers; there are none where text is only predicted."""
        if not all("auxiliary" in example for example in examples):
            return {}
        found = {}
        for column, labels in self.auxiliary.items():
            number = {label: place for place, label in enumerate(labels)}
            found[column] = Ragged.of(
                [number.get(value or NOTHING, UNSCORED) for value in example["auxiliary"][column]]
                for example in examples
            )
        return found

    def _tag_number(self, tag: str | None) -> int:
        """An unscored word's number, a known tag's, or one past the last for an unknown tag."""
        return UNSCORED if tag is None else self._tag_numbers.get(tag, len(self.tags))

    def _shape_number(self, word: str) -> int:
        return self.shapes.get(shape_of(word), UNKNOWN) if self.shapes else UNKNOWN

    def _affix_numbers(self, word: str) -> list[int]:
        return [self.affixes.get(affix, UNKNOWN) for affix in affixes_of(word, self.longest_affix)]

    def _character_numbers(self, word: str) -> list[int]:
        if len(word) > self.max_characters:
            half = self.max_characters // 2
            word = word[:half] + word[-half:]
        return [self.characters.get(char, UNKNOWN) for char in word] or [UNKNOWN]


AUXILIARY = "auxiliary."
"""What stands before an auxiliary column's name in tables and batches."""
_OF_TYPES = ("word", "count", "shape", "affixes", "characters")


@dataclass
class TaggedSentences(EncodedSplit):
    """Sentences as rows of types, and of every type what the network reads.

    types, tags and every auxiliary column: a row a sentence. word, count (in training), shape:
    (U,). affixes: U rows of A. characters: U rows.
    """

    types: Ragged
    tags: Ragged
    word: Integers
    count: Integers
    shape: Integers
    affixes: Ragged
    characters: Ragged
    auxiliary: dict[str, Ragged] = field(default_factory=dict)
    timed = ("token", "tags")

    def window(self, rows: Sequence[int], start: int, stop: int) -> Batch:
        """Return some steps of the chosen rows, the auxiliary columns cut too."""
        cut = super().window(rows, start, stop)
        names = [name for name in cut if name.startswith(AUXILIARY)]
        return cut | {name: cut[name][:, start:stop] for name in names}

    @property
    def lengths(self) -> Integers:  # type: ignore[override]
        """Words in every sentence."""
        return self.types.lengths

    def batch(self, rows: Sequence[int]) -> Batch:
        """Return sentences as one padded batch, its distinct words apart.

        lengths (B,), token (B, T) an index into the batch's types, tags (B, T);
        word, count, shape, character_lengths (U,), affixes (U, A), characters (U, C).
        """
        chosen = np.asarray(rows, dtype=np.int64)
        padded = self.types.padded(chosen, fill=-1)
        used, token = np.unique(padded, return_inverse=True)
        token = token.reshape(padded.shape)
        if used[0] == -1:  # padding points at the first type; its tag is not scored
            used, token = used[1:], np.maximum(token - 1, 0)
        arrays = {
            "lengths": self.types.lengths[chosen],
            "token": token,
            "tags": self.tags.padded(chosen, fill=UNSCORED),
            **{
                f"{AUXILIARY}{column}": labels.padded(chosen, fill=UNSCORED)
                for column, labels in self.auxiliary.items()
            },
            "word": self.word[used],
            "count": self.count[used],
            "shape": self.shape[used],
            "affixes": self.affixes.padded(used, fill=PAD),
            "characters": self.characters.padded(used, fill=PAD),
            "character_lengths": self.characters.lengths[used],
        }
        return {name: torch.from_numpy(array.astype(np.int64)) for name, array in arrays.items()}

    def save(self, folder: Path) -> None:
        """Write two Arrow tables, `sentences` and `types`."""
        auxiliary = {f"{AUXILIARY}{name}": labels for name, labels in self.auxiliary.items()}
        save_table({"types": self.types, "tags": self.tags, **auxiliary}, folder / "sentences")
        of_types = {name: getattr(self, name) for name in _OF_TYPES}
        save_table(of_types, folder / "types")

    @classmethod
    def load(cls, folder: Path) -> TaggedSentences:
        """Open the two tables, memory-mapped."""
        columns: dict[str, Any] = load_table(folder / "sentences") | load_table(folder / "types")
        auxiliary = {
            name.removeprefix(AUXILIARY): columns.pop(name)
            for name in list(columns)
            if name.startswith(AUXILIARY)
        }
        return cls(**columns, auxiliary=auxiliary)


def affixes_of(word: str, longest: int) -> list[str]:
    """Return the prefixes "^u", "^un", … and the suffixes "g$", "ng$", … of 1 to n characters.

    A word shorter than an affix gives the whole word.
    """
    ends = range(1, longest + 1)
    return ["^" * n + word[:n] for n in ends] + [word[-n:] + "$" * n for n in ends]


def shape_of(word: str) -> str:
    """Return a word's shape: "Xx" for London, "X" for UN, "d.d" for 3.14, runs made one."""
    kinds = (
        "X" if char.isupper() else "x" if char.isalpha() else "d" if char.isnumeric() else char
        for char in word[:40]
    )
    return re.sub(r"(.)\1+", r"\1", "".join(kinds), flags=re.DOTALL)[:8]


def _number(counts: Counter[str], min_count: int) -> dict[str, int]:
    kept = sorted(word for word, count in counts.items() if count >= min_count)
    return {word: number for number, word in enumerate(kept, start=SPECIAL)}


def _flat(numbers: Iterable[int]) -> Integers:
    return np.asarray(list(numbers), dtype=np.int32)

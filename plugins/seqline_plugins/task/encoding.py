"""The encoding: how raw examples become numbers, and what a search must know of them."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seqline_plugins.task.source import Example
from seqline_plugins.task.split import EncodedSplit

ENCODING = "encoding.json"


@dataclass(frozen=True)
class SearchTokens:
    """What a search must know of a vocabulary: how a text starts and ends, what it never has."""

    start: int
    end: int
    never: tuple[int, ...] = ()
    unknown: int | None = None
    """What stands for all that the vocabulary lacks; written only where it is replaced after."""


class Encoding(ABC):
    """Turns raw examples into numbers and back; built from the training data, stored as JSON.

    A dataclass whose fields JSON can hold needs no `save` and `load` of its own.
    """

    @classmethod
    def build(cls, examples: Iterable[Example], config: Any) -> Encoding:
        """Learn vocabularies from the training examples; by default there are none."""
        return cls()

    def save(self, folder: Path) -> None:
        """Write the vocabularies as JSON into `folder`, which is there."""
        fields = getattr(self, "__dataclass_fields__", ())
        kept = {name: getattr(self, name) for name in fields}
        (folder / ENCODING).write_text(json.dumps(kept, ensure_ascii=False), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Encoding:
        """Read back what `save` wrote."""
        kept = json.loads((folder / ENCODING).read_text(encoding="utf-8"))
        return cls(**kept)

    @abstractmethod
    def encode(self, examples: Sequence[Example]) -> EncodedSplit:
        """Return the examples in numbers, ready to be batched."""

    def select(self, examples: Sequence[Example]) -> tuple[Sequence[Example], list[str]]:
        """Return the training examples that are learned from, and what a person should know.

        All of them unless a task leaves some out (because they are too long).
        """
        return examples, []

    def store(
        self, examples: Sequence[Example], folder: Path, *, training: bool
    ) -> tuple[EncodedSplit, list[str]]:
        """Write a split in numbers; return it, and what a person should know.

        `training` ones are those that `select` chooses. A task whose data may be larger than
        memory reads `examples` from the first to the last and writes as it reads.
        """
        said: list[str] = []
        if training:
            examples, said = self.select(examples)
        encoded = self.encode(examples)
        folder.mkdir(exist_ok=True)
        encoded.save(folder)
        return encoded, said

    @property
    def search_tokens(self) -> SearchTokens:
        """How what a search writes starts and ends (tasks that decode)."""
        raise NotImplementedError(f"{type(self).__name__} has no tokens that a search could write")

    def describe(self) -> dict[str, int]:
        """Return sizes worth showing: {"words": 9875, "tags": 17}."""
        return {}

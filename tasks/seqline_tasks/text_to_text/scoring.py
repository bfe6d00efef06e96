"""What is said of any text that was written from another: perplexity, length, what is copied."""

from __future__ import annotations

import math
import re
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

from torch import Tensor

from seqline_plugins.task.metrics import Metrics
from seqline_plugins.task.source import Example
from seqline_plugins.task.split import Batch
from seqline_tasks.text_to_text.encoding import PairEncoding

_WORD = re.compile(r"\w+|[^\w\s]")
GRAM = 2
"""Words in a row of which the figure `copied` tells."""
LONGEST_GRAM = 4


class TextMetrics(Metrics):
    """Figures over texts that are put together again, gathered batch by batch."""

    encoding: PairEncoding

    def __init__(self, config: Any, encoding: PairEncoding) -> None:
        super().__init__(config, encoding)
        self.written: list[str] = []
        self.examples: list[Example] = []
        self._loss = 0.0
        self._targets = 0

    def update(self, predicted: Tensor, batch: Batch, examples: Sequence[Example] = ()) -> None:
        """Add texts as rows of pieces (B, U); the references are the examples'."""
        sources = [example["source"] for example in examples]
        self.written += self.encoding.texts(predicted.tolist(), sources)
        self.examples += examples

    def add_loss(self, loss: float, targets: int) -> None:
        """Add the summed loss of a batch, and of how many pieces it is."""
        self._loss, self._targets = self._loss + loss, self._targets + targets

    @abstractmethod
    def score(self) -> dict[str, float]:
        """Return the task's own figures."""

    def compute(self) -> dict[str, float]:
        """Return these, perplexity a piece, length_ratio in characters, copied (0 to 1)."""
        figures = self.score()
        if self._targets:
            figures["perplexity"] = math.exp(min(700.0, self._loss / self._targets))
        letters = sum(len(example["target"]) for example in self.examples)
        figures["length_ratio"] = sum(map(len, self.written)) / max(1, letters)
        figures["copied"] = copied_share(self._sources(), self.written, GRAM)
        return figures

    def tables(self) -> dict[str, list[dict[str, Any]]]:
        """Return the shares of copied n-grams for each n, of what was written and of references."""
        targets = [example["target"] for example in self.examples]
        return {
            "copied": [
                {
                    "n": n,
                    "written": copied_share(self._sources(), self.written, n),
                    "reference": copied_share(self._sources(), targets, n),
                }
                for n in range(1, LONGEST_GRAM + 1)
            ]
        }

    def _sources(self) -> list[str]:
        return [example["source"] for example in self.examples]


def words_of(text: str) -> list[str]:
    """Return a text's words and marks in lower case."""
    return _WORD.findall(text.lower())


def copied_share(sources: Sequence[str], written: Sequence[str], n: int) -> float:
    """Return how many of all n words in a row that were written stand in their sources so."""
    copied = total = 0
    for source, text in zip(sources, written, strict=True):
        there = set(_grams(source, n))
        grams = _grams(text, n)
        copied += sum(gram in there for gram in grams)
        total += len(grams)
    return copied / max(1, total)


def _grams(text: str, n: int) -> list[tuple[str, ...]]:
    words = words_of(text)
    return [tuple(words[at : at + n]) for at in range(len(words) - n + 1)]

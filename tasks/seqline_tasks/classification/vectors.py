"""Rows of vectors in place of words: where they come from, in numbers, as the network reads them.

Letters: B rows, T steps, F numbers a step.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from torch import Tensor

from seqline_plugins.errors import UserError
from seqline_plugins.task.encoding import Encoding
from seqline_plugins.task.inputs import Inputs
from seqline_plugins.task.rows import Rows
from seqline_plugins.task.source import DataSource, Example
from seqline_plugins.task.split import Batch
from seqline_tasks.clip_source import ClipSource
from seqline_tasks.data.digits import digits, version_of_digits
from seqline_tasks.data.labels import classes_of, numbers_of
from seqline_tasks.data.split import deal


class VectorSource(ClipSource):
    """Labelled rows of vectors; built in are handwritten digits, read row by row of the picture."""

    @property
    def numbers(self) -> tuple[int, str]:
        """The dimensions of a vector."""
        return self.config.dimensions, "task.dimensions"

    def builtin(self, data: DataSource) -> Mapping[str, Sequence[Example]]:
        """Return the digits, eight vectors of eight shades each."""
        pictures, labels = digits()
        rows = [
            {"frames": picture.tolist(), "label": label, "place": ""}
            for picture, label in zip(pictures, labels, strict=True)
        ]
        return deal(rows, data.split, data.split_by, data.seed)

    def builtin_versions(self) -> dict[str, str]:
        """Return scikit-learn's version."""
        return version_of_digits()


@dataclass
class VectorEncoding(Encoding):
    """The classes, and the mean and spread of each number of a vector in training."""

    classes: list[str]
    mean: list[float]
    spread: list[float]
    longest: int

    @classmethod
    def build(cls, examples: Iterable[Example], config: Any) -> VectorEncoding:
        """Measure the training vectors."""
        given = list(examples)
        size = np.shape(given[0]["frames"])[-1]
        vectors = np.concatenate([_checked(one, size, config.longest) for one in given])
        spread = vectors.std(axis=0)
        spread[spread == 0] = 1.0
        return cls(
            classes_of(given), vectors.mean(axis=0).tolist(), spread.tolist(), config.longest
        )

    def describe(self) -> dict[str, int]:
        """Return the number of classes and the size of a vector."""
        return {"classes": len(self.classes), "numbers of a step": len(self.mean)}

    def encode(self, examples: Sequence[Example]) -> Rows:
        """Return scaled vectors (T, F) of each row, and its class."""
        mean, spread = np.asarray(self.mean), np.asarray(self.spread)
        found = [_checked(example, len(mean), self.longest) for example in examples]
        scaled = [((vectors - mean) / spread).astype(np.float32) for vectors in found]
        return Rows({"vectors": scaled, "target": numbers_of(examples, self.classes)})


class VectorInputs(Inputs):
    """The vectors themselves."""

    def __init__(self, config: Any, encoding: VectorEncoding, kernel: str = "auto") -> None:
        super().__init__(config, encoding, kernel)
        self.output_size = len(encoding.mean)

    def forward(self, batch: Batch) -> tuple[Float[Tensor, "B T F"], Int[Tensor, "B"]]:
        """Return the vectors and how many each row has."""
        return batch["vectors"], batch["lengths"]


def _checked(example: Example, size: int, longest: int) -> Any:
    vectors = np.asarray(example["frames"], dtype=np.float64)
    if vectors.ndim != 2 or vectors.shape[1] != size:
        found = " × ".join(map(str, vectors.shape[1:])) or "none"
        raise UserError(
            f"{example.get('place') or 'a row'}: its vectors are of size {found}, expected {size}. "
            "Pictures are task=video."
        )
    return vectors[:longest]

"""Sequential digits: scikit-learn's 8 × 8 handwritten digits, one pixel a step, row by row.

A small sibling of sequential MNIST (Le et al. 2015). 1,197 / 300 / 300 images dealt by `data.seed`.
Letters: B rows, T pixels.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from torch import Tensor

from seqline_plugins.errors import UserError
from seqline_plugins.options import option
from seqline_plugins.task.encoding import Encoding
from seqline_plugins.task.inputs import Inputs
from seqline_plugins.task.rows import Rows
from seqline_plugins.task.source import DataSource, Example, Source
from seqline_plugins.task.split import Batch
from seqline_tasks.class_task import ClassTask
from seqline_tasks.data.digits import BRIGHTEST, SIDE, digits, version_of_digits
from seqline_tasks.data.labels import classes_of, most_frequent_class, numbers_of
from seqline_tasks.data.split import deal

SPLIT = (1197, 300, 300)
SHADES = " .:-=+*#%@"


@dataclass
class Config:
    """Digits, a pixel at a time."""

    permuted: bool = option(False, "the pixels in one order drawn from data.seed, the same for all")


class DigitSource(Source):
    """{"pixels": 64 of 0 to 16, "label": the digit}."""

    def read(self, data: DataSource) -> dict[str, list[Example]]:
        """Return the images dealt by the seed."""
        if data.source != "builtin":
            raise UserError(f"data={data.source}: the digits are scikit-learn's: data=builtin.")
        images, labels = digits()
        order = np.arange(SIDE * SIDE)
        if self.config.permuted:
            order = np.random.default_rng(data.seed).permutation(order)
        rows = [
            {"pixels": image[order].tolist(), "label": str(label)}
            for image, label in zip(images.reshape(len(images), -1), labels, strict=True)
        ]
        return deal(rows, data.split or SPLIT, "random", data.seed)

    def fingerprint(self, data: DataSource) -> dict[str, Any]:
        """Return scikit-learn's version and how the images are dealt."""
        rule = {"seed": data.seed, "split": data.split, "source": data.source}
        return {**rule, **asdict(self.config), **version_of_digits()}

    def baseline(self, splits: Mapping[str, Sequence[Example]]) -> dict[str, float]:
        """Return the most frequent digit, and logistic regression on all pixels at once."""
        return {
            "accuracy": most_frequent_class(splits["train"], splits["test"]),
            "accuracy of logistic regression": _logistic_regression(splits),
        }


@dataclass
class DigitEncoding(Encoding):
    """The digits' names."""

    classes: list[str]

    @classmethod
    def build(cls, examples: Iterable[Example], config: Any) -> DigitEncoding:
        """Collect the classes."""
        return cls(classes_of(examples))

    def describe(self) -> dict[str, int]:
        """Return the number of classes."""
        return {"classes": len(self.classes)}

    def encode(self, examples: Sequence[Example]) -> Rows:
        """Return the pixels and the classes in numbers."""
        pixels = [example["pixels"] for example in examples]
        return Rows({"pixels": pixels, "target": numbers_of(examples, self.classes)})


class PixelInputs(Inputs):
    """One feature a step, a pixel's brightness from −1 to 1."""

    output_size = 1

    def forward(self, batch: Batch) -> tuple[Float[Tensor, "B T 1"], Int[Tensor, "B"]]:
        """Return the brightness of every pixel."""
        return batch["pixels"].unsqueeze(-1) / (BRIGHTEST / 2) - 1.0, batch["lengths"]


class SequentialDigits(ClassTask):
    """Names the digit whose pixels were read one after the other."""

    Config = Config
    source = DigitSource
    encoding = DigitEncoding
    inputs = PixelInputs

    def parse(self, lines: Iterable[str], place: str) -> list[Example]:
        """Read 64 whole numbers of 0 to 16 a line."""
        return [_parsed(line, f"{place}, line {n}") for n, line in enumerate(lines, start=1)]

    def text_of(self, example: Example) -> str:
        """Return the pixels."""
        return " ".join(str(int(pixel)) for pixel in example["pixels"])

    def samples(self, examples: Sequence[Example], predicted: Sequence[Sequence[str]]) -> list[str]:
        """Return a few digits drawn in letters, mistakes marked."""
        if self.config.permuted:
            return super().samples(examples, predicted)
        wrong = [n for n, e in enumerate(examples) if [e["label"]] != list(predicted[n])]
        chosen = [*wrong[:2], *(n for n in range(len(examples)) if n not in set(wrong[:2]))][:3]
        return [_drawn(examples[n], predicted[n][0]) for n in chosen]


def _drawn(example: Example, said: str) -> str:
    pixels = [int(pixel) for pixel in example["pixels"]]
    rows = [pixels[at : at + SIDE] for at in range(0, len(pixels), SIDE)]
    picture = ["".join(SHADES[p * 9 // BRIGHTEST] * 2 for p in row) for row in rows]
    right = said == example["label"]
    title = said if right else f"**{said}** (not {example['label']})"
    return "\n".join([title, *picture])


def _parsed(line: str, place: str) -> Example:
    words = line.replace(",", " ").split()
    whole = all(word.isdigit() and int(word) <= BRIGHTEST for word in words)
    if not whole or not words or math.isqrt(len(words)) ** 2 != len(words):
        raise UserError(f"{place}: found {len(words)} words, expected 64 whole numbers of 0 to 16.")
    return {"pixels": [int(word) for word in words], "label": None}


def _logistic_regression(splits: Mapping[str, Sequence[Example]]) -> float:
    from sklearn.linear_model import LogisticRegression

    def arrays(examples: Sequence[Example]) -> tuple[Any, list[str]]:
        pixels = np.asarray([example["pixels"] for example in examples]) / BRIGHTEST
        return pixels, [example["label"] for example in examples]

    model = LogisticRegression(max_iter=1000).fit(*arrays(splits["train"]))
    return float(model.score(*arrays(splits["test"])))

"""Adding: the sum of two marked numbers among many (Hochreiter & Schmidhuber 1997).

T numbers uniform in [0, 1], two of them marked, one in each half; the target is their sum. Always
answering 1 gives a mean squared error of 1/6.
Letters: B rows, T steps.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from seqline_plugins.architecture import Kind
from seqline_plugins.errors import UserError
from seqline_plugins.options import option
from seqline_plugins.task.encoding import Encoding
from seqline_plugins.task.head import Head
from seqline_plugins.task.inputs import Inputs
from seqline_plugins.task.metrics import Metric, Metrics
from seqline_plugins.task.rows import Rows
from seqline_plugins.task.source import DataSource, Example
from seqline_plugins.task.split import Batch
from seqline_plugins.task.task import Task
from seqline_tasks.data.drawn import DrawnSource
from seqline_tasks.heads.gaussian import Gaussian
from seqline_tasks.pictures import draw_curve

ALWAYS = 1.0
"""The trivial answer."""
BINS = 10


@dataclass
class Config:
    """Adding two numbers far apart."""

    length: int = option(200, "numbers in a sequence, T", low=2)
    train: int = option(10000, "training sequences", low=2)
    others: int = option(1000, "sequences of validation and of test", low=1)


class AddingSource(DrawnSource):
    """{"numbers": T of them, "marks": two places, "sum": their sum}."""

    def draw(self, random: np.random.Generator) -> Example:
        """Return one sequence with a mark in each half."""
        T = self.config.length
        numbers = random.random(T).astype(np.float32)
        marks = [int(random.integers(0, T // 2)), int(random.integers(T // 2, T))]
        total = float(numbers[marks].sum())
        return {"numbers": numbers.tolist(), "marks": marks, "sum": total}

    def trivial(self, test: Sequence[Example]) -> dict[str, float]:
        """Return the error of always answering 1."""
        return {"mse": float(np.mean([(example["sum"] - ALWAYS) ** 2 for example in test]))}


class AddingEncoding(Encoding):
    """Nothing is learned of the data."""

    def encode(self, examples: Sequence[Example]) -> Rows:
        """Return rows of numbers (T,), marks (2,) and the sum."""
        each = [(e["numbers"], e["marks"], e.get("sum") or 0.0) for e in examples]
        numbers, marks, sums = zip(*each, strict=True)
        return Rows({"numbers": numbers, "marks": marks, "target": sums})


class AddingInputs(Inputs):
    """Two features a step: the number, and 1 where it is marked."""

    output_size = 2

    def forward(self, batch: Batch) -> tuple[Float[Tensor, "B T 2"], Int[Tensor, "B"]]:
        """Return the features."""
        numbers = batch["numbers"]
        marked = torch.zeros_like(numbers).scatter_(1, batch["marks"], 1.0)
        return torch.stack([numbers, marked], dim=-1), batch["lengths"]


class SumHead(Head):
    """One number, its error squared: a Gaussian of spread 1."""

    def __init__(self, config: Any, encoding: Any, input_size: int, loss: Any) -> None:
        super().__init__(config, encoding, input_size, loss)
        self.gaussian = Gaussian(input_size, 1, spread=1.0)

    def loss(self, hidden: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the summed loss in nats and the number of rows."""
        losses = self.step_losses(hidden, batch)
        return losses.sum(), losses.new_tensor(len(losses))

    def step_losses(self, hidden: Tensor, batch: Batch) -> Tensor:
        """Return the loss of each row, (B, 1)."""
        return self.gaussian.losses(hidden, batch["target"].unsqueeze(-1))

    def predict(self, hidden: Tensor) -> Tensor:
        """Return the sum, (B,)."""
        mean: Tensor = self.gaussian(hidden)[0].squeeze(-1)
        return mean


class AddingMetrics(Metrics):
    """The mean squared error, and how it depends on how long a number is to be remembered."""

    def __init__(self, config: Any, encoding: Any) -> None:
        super().__init__(config, encoding)
        self._errors: list[Tensor] = []
        self._ages: list[Tensor] = []

    def update(self, predicted: Tensor, batch: Batch, examples: Sequence[Example] = ()) -> None:
        """Add one batch of sums, (B,)."""
        self._errors.append((predicted - batch["target"]).double().square().cpu())
        self._ages.append((batch["lengths"] - batch["marks"][:, 0]).cpu())

    def compute(self) -> dict[str, float]:
        """Return mse."""
        return {"mse": float(torch.cat(self._errors).mean())}

    def tables(self) -> dict[str, list[dict[str, Any]]]:
        """Return the error by how many steps before the end the first number stands."""
        errors, ages = torch.cat(self._errors), torch.cat(self._ages)
        order = ages.argsort(stable=True)
        parts = [part for part in order.tensor_split(BINS) if len(part)]
        return {
            "mse_by_age": [
                {"steps": float(ages[part].double().mean()), "mse": float(errors[part].mean())}
                for part in parts
            ]
        }

    def pictures(self, folder: Path) -> list[Path]:
        """Draw that curve beside the trivial answer."""
        rows = self.tables()["mse_by_age"]
        path = folder / "memory.png"
        draw_curve(
            [row["steps"] for row in rows],
            {"model": [row["mse"] for row in rows], "always 1": [1 / 6] * len(rows)},
            path,
            x="steps that the first number is to be remembered",
            y="mean squared error",
            logarithmic=True,
        )
        return [path]


class Adding(Task):
    """Adds two marked numbers; scored beside always answering 1."""

    Config = Config
    kinds = (Kind("sequence", "entity"),)
    metrics = (Metric("mse", "lower"),)
    primary = "mse"
    source = AddingSource
    encoding = AddingEncoding
    inputs = AddingInputs
    head = SumHead
    scoring = AddingMetrics

    def parse(self, lines: Iterable[str], place: str) -> list[Example]:
        """Read numbers apart by spaces, two of them marked with a star: "0.3 0.5* 0.1 0.9*"."""
        return [_parsed(line, f"{place}, line {n}") for n, line in enumerate(lines, start=1)]

    def text_of(self, example: Example) -> str:
        """Return the numbers, the marked ones with a star."""
        marks = set(example["marks"])
        numbers = enumerate(example["numbers"])
        return " ".join(f"{x:.9g}{'*' if n in marks else ''}" for n, x in numbers)

    def render(
        self, examples: Sequence[Example], predicted: Sequence[Sequence[Any]], data: DataSource
    ) -> str:
        """Return a sum a line."""
        return "".join(f"{answer[0]:.6g}\n" if answer else "\n" for answer in predicted)

    def decode(self, encoding: Any, predicted: Tensor, batch: Batch) -> list[list[Any]]:
        """Return one sum a row."""
        return [[number] for number in predicted.tolist()]

    def samples(self, examples: Sequence[Example], predicted: Sequence[Sequence[Any]]) -> list[str]:
        """Return a few sums beside what was said."""
        shown = []
        for example, answer in list(zip(examples, predicted, strict=True))[:5]:
            first, second = (example["numbers"][mark] for mark in example["marks"])
            shown.append(
                f"{first:.3f} + {second:.3f} = {example['sum']:.3f}: said {answer[0]:.3f} "
                f"(marked at steps {example['marks'][0]} and {example['marks'][1]})"
            )
        return shown


def _parsed(line: str, place: str) -> Example:
    words = line.split()
    marks = [number for number, word in enumerate(words) if word.endswith("*")]
    try:
        numbers = [float(word.removesuffix("*")) for word in words]
    except ValueError:
        numbers = []
    if len(marks) != 2 or not numbers or not all(map(np.isfinite, numbers)):
        raise UserError(f"{place}: expected numbers, two with a star (0.3 0.5* 0.1 0.9*).")
    return {"numbers": numbers, "marks": marks, "sum": None}

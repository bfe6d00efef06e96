"""Drawing: strokes of a pen, made point by point from a class."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from torch import Tensor

from seqline_plugins.architecture import Kind
from seqline_plugins.task.metrics import Metric
from seqline_plugins.task.source import DataSource, Example
from seqline_plugins.task.split import Batch
from seqline_plugins.task.task import Task
from seqline_tasks.drawing.config import Config
from seqline_tasks.drawing.encoding import DrawingEncoding, EncodedDrawings
from seqline_tasks.drawing.generation import DrawingGeneration
from seqline_tasks.drawing.head import StrokeHead
from seqline_tasks.drawing.inputs import StrokeInputs
from seqline_tasks.drawing.scoring import DrawingMetrics
from seqline_tasks.drawing.sources import DrawingSource
from seqline_tasks.drawing.strokes import read_points, spelled_points, stroke_count

__all__ = ["Drawing"]


class Drawing(Task):
    """Draws as sketch-rnn's decoder does (Ha & Eck 2017), from a class or from nothing."""

    Config = Config
    kinds = (Kind("entity", "sequence"),)
    metrics = (Metric("nll", "lower"), Metric("pen_accuracy"))
    primary = "nll"

    source = DrawingSource
    encoding = DrawingEncoding
    split = EncodedDrawings
    inputs = StrokeInputs
    head = StrokeHead
    scoring = DrawingMetrics
    generation = DrawingGeneration

    def parse(self, lines: Iterable[str], place: str) -> list[Example]:
        """Read drawings, one a line: "CLASS: Δx,Δy,lifted Δx,Δy,lifted", the class if any."""
        found = []
        for number, line in enumerate(lines, start=1):
            label, _, rest = line.rpartition(":")
            points = read_points(rest, f"{place}, line {number}")
            found.append({"name": f"{place} {number}", "points": points, "label": label.strip()})
        return found

    def text_of(self, example: Example) -> str:
        """Return the class and the points as `parse` reads them."""
        return f"{example['label']}: {spelled_points(example['points'])}"

    def render(
        self, examples: Sequence[Example], predicted: Sequence[Sequence[str]], data: DataSource
    ) -> str:
        """Return how each drawing goes on, one a line."""
        return "".join(" ".join(answer) + "\n" for answer in predicted)

    def decode(self, encoding: Any, predicted: Tensor, batch: Batch) -> list[list[str]]:
        """Return the likeliest point at each step: "Δx,Δy,pen", the pen 2 at the end."""
        rows = zip(predicted.tolist(), batch["lengths"].tolist(), strict=True)
        scale = encoding.scale
        return [
            [f"{dx * scale:.4g},{dy * scale:.4g},{pen:g}" for dx, dy, pen in row[:length]]
            for row, length in rows
        ]

    def samples(self, examples: Sequence[Example], predicted: Sequence[Sequence[str]]) -> list[str]:
        """Return how well the pen of a few drawings was told; the pictures show more."""
        return [_line(*pair) for pair in list(zip(examples, predicted, strict=True))[:3]]


def _line(example: Example, told: Sequence[str]) -> str:
    points = example["points"]
    pens = [float(answer.rpartition(",")[2]) for answer in told]
    wanted = [*(point[2] for point in points), 2]
    right = sum(a == b for a, b in zip(pens, wanted, strict=True))
    return (
        f"{example['name']}: {stroke_count(points)} strokes, {len(points)} points; the pen's state "
        f"was told right at {right} of {len(wanted)} steps"
    )

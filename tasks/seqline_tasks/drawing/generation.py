"""Drawings made from a class: what stands before the first point, when one ends, its files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from seqline_plugins.errors import UserError, unknown
from seqline_plugins.task.generation import Generation, Opening
from seqline_tasks.drawing.encoding import DrawingEncoding
from seqline_tasks.drawing.pictures import draw_sheet
from seqline_tasks.drawing.strokes import Line, Points, read_points, spelled_points, strokes_of
from seqline_tasks.drawing.svg import svg_of
from seqline_tasks.heads.strokes import DOWN, END

SHEET = 24


class DrawingGeneration(Generation):
    """Draws from a class (a number of strokes, a folder's name); written as SVG."""

    encoding: DrawingEncoding

    @property
    def count(self) -> int:
        """A sheet of drawings."""
        return SHEET

    @property
    def length(self) -> int:
        """Four times the points of a usual drawing; most end before by themselves."""
        return 4 * self.encoding.length

    def opening(self, given: str | None) -> Opening:
        """Return the class and the points that stand first, the pen where it begins before them.

        `given` is a class, "CLASS", or a drawing to be gone on with, "CLASS: Δx,Δy,lifted …"; the
        middle class if nothing is given. Raises `UserError` for a class that no training drawing
        had.
        """
        labels = self.encoding.labels
        label, _, rest = (labels[len(labels) // 2] if given is None else given).partition(":")
        label, points = label.strip(), read_points(rest, "--from")
        if label not in self.encoding.merged:
            raise UserError(f"--from: {unknown('class', label, labels)}")
        scale = self.encoding.scale
        begun = [[dx / scale, dy / scale, pen] for dx, dy, pen in points]
        written = torch.tensor([[0.0, 0.0, float(DOWN)], *begun])
        batch = {"label": torch.tensor([self.encoding.class_of(label)])}
        return Opening(written, batch, shown=len(points))

    def ended(self, sample: Float[Tensor, "R 3"]) -> Bool[Tensor, "R"]:
        """Say which rows' pens are done."""
        return sample[:, 2] == END

    def text(self, samples: Float[Tensor, "n 3"]) -> str:
        """Return the points as `opening` reads them."""
        return spelled_points(self._points(samples))

    def write(self, samples: Float[Tensor, "n 3"], stem: Path) -> list[Path]:
        """Write an SVG."""
        path = stem.with_name(f"{stem.name}.svg")
        path.write_text(svg_of(self._strokes(samples)), encoding="utf-8")
        return [path]

    def pictures(self, sequences: Sequence[Tensor], folder: Path) -> list[Path]:
        """Draw the drawings on one sheet."""
        if not sequences:
            return []
        path = folder / "generated.png"
        drawings = [self._strokes(one) for one in sequences]
        draw_sheet(drawings, [str(len(drawing)) for drawing in drawings], path)
        return [path]

    def _strokes(self, samples: Tensor) -> list[Line]:
        return strokes_of(self._points(samples))

    def _points(self, samples: Tensor) -> Points:
        offsets = samples[:, :2].double() * self.encoding.scale
        points: Points = torch.cat([offsets, samples[:, 2:].double()], dim=1).tolist()
        return points

"""How well the next points are told: nats a point, and pens that are right.

Letters: B drawings, U steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from seqline_plugins.task.metrics import Metrics
from seqline_plugins.task.source import Example
from seqline_plugins.task.split import Batch
from seqline_tasks.drawing.pictures import draw_sheet
from seqline_tasks.drawing.strokes import strokes_of

SHOWN = 24


class DrawingMetrics(Metrics):
    """NLL of a point, offsets in units of a usual one; the share of the pen's states told right."""

    def __init__(self, config: Any, encoding: Any) -> None:
        super().__init__(config, encoding)
        self._loss = 0.0
        self._points = self._right = self._steps = 0
        self._shown: list[Example] = []

    def update(
        self, predicted: Float[Tensor, "B U 3"], batch: Batch, examples: Sequence[Example] = ()
    ) -> None:
        """Add the likeliest points."""
        steps = torch.arange(predicted.shape[1], device=predicted.device)
        valid = steps < batch["lengths"].unsqueeze(-1)
        right = predicted[..., 2] == batch["pens"]
        self._right += int((right & valid).sum())
        self._steps += int(valid.sum())
        self._shown += list(examples[: SHOWN - len(self._shown)])

    def add_loss(self, loss: float, targets: int) -> None:
        """Add the summed loss of a batch, and of how many points it is."""
        self._loss, self._points = self._loss + loss, self._points + targets

    def compute(self) -> dict[str, float]:
        """Return nll, nats a point with the pen's states and the end, and pen_accuracy."""
        return {
            "nll": self._loss / max(1, self._points),
            "pen_accuracy": self._right / max(1, self._steps),
        }

    def pictures(self, folder: Path) -> list[Path]:
        """Draw some drawings as they are, to compare what is generated with."""
        if not self._shown:
            return []
        path = folder / "drawings_of_the_test.png"
        drawn = [strokes_of(one["points"]) for one in self._shown]
        draw_sheet(drawn, [one["label"] for one in self._shown], path)
        return [path]

"""How often the class is right; what a person sees are frames with their label."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from seqline_plugins.task.source import Example
from seqline_plugins.task.split import Batch
from seqline_tasks.class_scores import ClassMetrics

CLIPS, FRAMES = 6, 8


class ClipMetrics(ClassMetrics):
    """Accuracy and F1, the confusion matrix, and a sheet of clips."""

    def __init__(self, config: Any, encoding: Any) -> None:
        super().__init__(config, encoding)
        self._clips: list[tuple[Example, int]] = []

    def update(self, predicted: Tensor, batch: Batch, examples: Sequence[Example] = ()) -> None:
        """Add one batch of predicted classes, (B,)."""
        super().update(predicted, batch, examples)
        self._clips += zip(examples, predicted.tolist(), strict=False)

    def pictures(self, folder: Path) -> list[Path]:
        """Draw the confusion matrix, and some clips with what was said of them."""
        files = super().pictures(folder)
        names = self.encoding.classes
        wrong = [clip for clip in self._clips if clip[0]["label"] != names[clip[1]]]
        right = [clip for clip in self._clips if clip[0]["label"] == names[clip[1]]]
        chosen = wrong[: CLIPS // 2]
        chosen += right[:: max(1, len(right) // CLIPS)][: CLIPS - len(chosen)]
        if chosen:
            files.append(folder / "clips.png")
            draw = draw_frames if self.encoding.is_picture else draw_paths
            shown = [(example["frames"], example["label"], names[said]) for example, said in chosen]
            draw(shown, files[-1])
        return files


Shown = Sequence[tuple[Any, str, str]]
"""Frames, their label, and what was said."""


def draw_frames(clips: Shown, path: Path) -> None:
    """Draw a row of frames for each clip."""
    figure = _figure(FRAMES, len(clips))
    panels = figure.subplots(len(clips), FRAMES, squeeze=False)
    for row, (frames, label, said) in zip(panels, clips, strict=True):
        chosen = np.linspace(0, len(frames) - 1, FRAMES).round().astype(int)
        for panel, number in zip(row, chosen, strict=True):
            panel.imshow(np.asarray(frames[number]), cmap="gray", vmin=0, vmax=255)
            panel.set_xticks([])
            panel.set_yticks([])
        _title(row[0], label, said)
    figure.savefig(path, dpi=110)


def draw_paths(clips: Shown, path: Path) -> None:
    """Draw the way of each clip's points, darker towards the end."""
    figure = _figure(len(clips) * 1.6, 1.8)
    panels = figure.subplots(1, len(clips), squeeze=False)[0]
    for panel, (frames, label, said) in zip(panels, clips, strict=True):
        points = np.asarray(frames)
        even = points[:, : points.shape[1] // 2 * 2].reshape(len(points), -1, 2)
        shades = np.linspace(0.2, 1, len(points))
        for number in range(even.shape[1]):
            x, y = even[:, number].T
            panel.plot(x, -y, color="#9aa5b1", linewidth=0.8)
            panel.scatter(x, -y, c=shades, cmap="Blues", vmin=0, vmax=1, s=14)
        panel.set_xticks([])
        panel.set_yticks([])
        panel.set_aspect("equal", adjustable="datalim")
        _title(panel, label, said)
    figure.savefig(path, dpi=110)


def _figure(columns: float, rows: float) -> Any:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(1.2 * columns, 1.35 * rows), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _title(panel: Any, label: str, said: str) -> None:
    right = said == label
    text = said if right else f"{said} (not {label})"
    panel.set_title(text, fontsize=9, loc="left", color="#24292f" if right else "#d1242f")

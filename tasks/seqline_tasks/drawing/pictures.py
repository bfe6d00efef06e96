"""Drawings on a sheet."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from seqline_tasks.drawing.strokes import Line

COLUMNS = 8


def draw_sheet(drawings: Sequence[Sequence[Line]], titles: Sequence[str], path: Path) -> None:
    """Draw drawings side by side, each as large as its place, into a PNG file."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = -(-len(drawings) // COLUMNS)
    figure = Figure(figsize=(1.3 * COLUMNS, 1.45 * rows), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(rows, COLUMNS, squeeze=False).flatten()
    for axes in grid:
        axes.axis("off")
    for axes, drawing, title in zip(grid, drawings, titles, strict=False):
        for stroke in drawing:
            axes.plot(*stroke.T, color="black", linewidth=1.4, solid_capstyle="round")
        everything = np.concatenate(list(drawing)) if drawing else np.zeros((1, 2))
        low, high = everything.min(0), everything.max(0)
        half = max(float((high - low).max()) / 2 * 1.1, 1e-3)
        (x, y) = (low + high) / 2
        axes.set_xlim(x - half, x + half)
        axes.set_ylim(y + half, y - half)  # downwards, as in SVG
        axes.set_aspect("equal")
        axes.set_title(title, fontsize=7, pad=1)
    figure.savefig(path, dpi=130)

"""Pictures of results that several tasks share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

MOST = 30


def draw_confusion(counts: Tensor, names: Sequence[str], path: Path) -> None:
    """Draw a confusion matrix (gold × predicted counts) as shares of each gold class.

    Where there are more than 30 classes, those with the most mistakes are drawn.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    matrix = counts.double().numpy()
    mistakes = matrix.sum(0) + matrix.sum(1) - 2 * matrix.diagonal()
    present = np.flatnonzero(matrix.sum(0) + matrix.sum(1))
    kept = np.sort(present[np.argsort(-mistakes[present])][:MOST])
    matrix = matrix[np.ix_(kept, kept)]
    shares = matrix / np.maximum(matrix.sum(1, keepdims=True), 1)
    labels = [names[index] for index in kept]
    side = max(4.0, 0.32 * len(kept) + 2)
    figure = Figure(figsize=(side, side), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for row, column in zip(*np.nonzero(matrix), strict=True):
        share = shares[row, column]
        if share >= 0.005:
            shade = "white" if share > 0.5 else "black"
            text = f"{100 * share:.0f}" if share >= 0.01 else "<1"
            axes.text(column, row, text, ha="center", va="center", fontsize=7, color=shade)
    axes.set_xticks(range(len(kept)), labels, rotation=90)
    axes.set_yticks(range(len(kept)), labels)
    axes.set_xlabel("predicted")
    axes.set_ylabel("gold")
    partly = f", the {MOST} most confused of {len(present)}" if len(present) > MOST else ""
    axes.set_title(f"Confusion, % of each gold class{partly}")
    figure.savefig(path, dpi=130)


def draw_curve(
    xs: Sequence[float],
    curves: Mapping[str, Sequence[float]],
    path: Path,
    *,
    x: str,
    y: str,
    logarithmic: bool = False,
) -> None:
    """Draw curves over the same places; the first in colour, those it is compared with in grey."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    greys = ("#6e7781", "#9aa5b1", "#c2c9d1")
    for number, (name, ys) in enumerate(curves.items()):
        style: dict[str, Any] = {"color": "#1f6feb", "marker": "o", "markersize": 4}
        if number:
            style = {"color": greys[(number - 1) % len(greys)], "linestyle": "--"}
        axes.plot(xs, ys, label=name, **style)
    if logarithmic:
        axes.set_yscale("log")
    else:
        axes.set_ylim(bottom=0)
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    figure.savefig(path, dpi=130)

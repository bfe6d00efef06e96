"""Pictures of results that several tasks share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

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

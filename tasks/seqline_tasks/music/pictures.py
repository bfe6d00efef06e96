"""Piano rolls as pictures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqline_tasks.music.notes import KEYS, LOWEST, name_of

MOST = 240
"""Frames that are drawn of a piece."""


def draw_rolls(rolls: Mapping[str, NDArray[Any]], per_quarter: int, path: Path) -> None:
    """Draw piano rolls (T, 88), one below the other under their titles, into a PNG file."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    shown = {title: np.asarray(roll)[:MOST] > 0 for title, roll in rolls.items()}
    sounding = np.flatnonzero(np.any([roll.any(0) for roll in shown.values()], axis=0))
    low, high = (sounding[0], sounding[-1]) if len(sounding) else (0, KEYS - 1)
    longest = max(len(roll) for roll in shown.values())
    size = (min(16.0, max(6.0, longest / 12)), 0.8 + (high - low + 6) / 20 * len(shown) * 1.2)
    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(len(shown), 1, squeeze=False, sharex=True)[:, 0]
    for axes, (title, roll) in zip(grid, shown.items(), strict=True):
        axes.imshow(
            np.pad(roll, ((0, longest - len(roll)), (0, 0))).T,
            origin="lower",
            aspect="auto",
            interpolation="nearest",
            cmap="Blues",
            vmin=0,
            vmax=1.15,
            extent=(0, longest / per_quarter, -0.5, KEYS - 0.5),
        )
        axes.set_ylim(low - 2.5, high + 2.5)
        octaves = [key for key in range(KEYS) if (key + LOWEST) % 12 == 0 and low <= key <= high]
        axes.set_yticks(octaves, [name_of(key) for key in octaves])
        axes.grid(axis="y", alpha=0.25)
        axes.set_title(title, fontsize=10, loc="left")
        axes.spines[["top", "right"]].set_visible(False)
    grid[-1].set_xlabel("quarter notes")
    figure.savefig(path, dpi=130)

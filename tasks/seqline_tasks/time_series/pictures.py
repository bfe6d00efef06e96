"""Forecasts as fans: what was read, what came, what was forecast between its quantiles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

BLUE, RED, INK = "#1f6feb", "#d1242f", "#24292f"


def draw_fans(
    values: Mapping[str, Any],
    titles: Sequence[str],
    name: str,
    levels: Sequence[float],
    path: Path,
) -> None:
    """Draw the first variable of some windows, each in a panel.

    past (n, W, V) and target (n, U, V) moved so that V is last; said (n, U, 1 + Q, V).
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 5.6), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(2, 3).ravel()
    for panel in panels[len(titles) :]:
        panel.set_axis_off()
    for number, (panel, title) in enumerate(zip(panels, titles, strict=False)):
        past, target = values["past"][number, :, 0], values["target"][number, :, 0]
        said = values["said"][number, :, :, 0]
        shown = min(len(past), 3 * len(target))
        ahead = np.arange(1, len(target) + 1)
        panel.plot(np.arange(1 - shown, 1), past[-shown:], color=INK, linewidth=1)
        quantiles = said[:, 1:]
        for low in range(quantiles.shape[1] // 2):
            high = quantiles.shape[1] - 1 - low
            label = f"{levels[low]:g} to {levels[high]:g}" if number == 0 else None
            panel.fill_between(
                ahead,
                quantiles[:, low],
                quantiles[:, high],
                color=BLUE,
                alpha=0.18,
                label=label,
                linewidth=0,
            )
        panel.plot(ahead, target, color=INK, linewidth=1, linestyle=":", label="came")
        panel.plot(ahead, said[:, 0], color=RED, linewidth=1.4, label="forecast")
        panel.set_title(f"from {title}", fontsize=9)
        panel.grid(alpha=0.25)
        panel.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel(name)
    panels[0].legend(frameon=False, fontsize=7)
    figure.savefig(path, dpi=130)

"""The learning curve: loss and primary metric over the epochs, the best one marked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def draw_learning_curve(trained: Path, summary: Mapping[str, Any], path: Path) -> None:
    """Draw a training's history from its stage folder into a PNG file."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    lines = (trained / "history.jsonl").read_text(encoding="utf-8").splitlines()
    points = [json.loads(line) for line in lines]
    primary = f"validation/{summary['primary']}"
    figure = Figure(figsize=(8, 3.4), layout="constrained")
    FigureCanvasAgg(figure)
    losses, scores = figure.subplots(1, 2)
    for key, style, color in (("train/loss", "-", "#9aa5b1"), ("validation/loss", "o-", "#1f6feb")):
        xs, ys = _series(points, key)
        losses.plot(xs, ys, style, color=color, label=key.split("/")[0], markersize=4)
    losses.set_ylabel("loss, nats per target")
    losses.set_ylim(bottom=0)
    losses.legend(frameon=False)
    xs, ys = _series(points, primary)
    scores.plot(xs, ys, "o-", color="#1f6feb", markersize=4)
    best = (summary["best_epoch"], summary["best_score"])
    scores.plot(*best, "o", color="#d1242f", markersize=8, fillstyle="none", markeredgewidth=1.6)
    after = f"{best[0]:.3g} epoch{'' if best[0] == 1 else 's'}"
    scores.set_title(f"best {best[1]:.4f} after {after}", fontsize=10, color="#d1242f")
    scores.set_ylabel(f"{summary['primary']} on validation")
    for axes in (losses, scores):
        axes.set_xlabel("epochs")
        axes.set_xlim(left=0)
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=130)


def _series(points: list[Any], key: str) -> tuple[list[float], list[float]]:
    found = [(p["epoch"], p["metrics"][key]) for p in points if key in p["metrics"]]
    return [x for x, _ in found], [y for _, y in found]

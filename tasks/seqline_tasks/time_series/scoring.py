"""How good forecasts are, on train-scaled values, and how that went over the test's time.

Letters: B windows, U steps forecast, V variables, Q quantiles.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from seqline_plugins.task.metrics import Metrics
from seqline_plugins.task.source import Example
from seqline_plugins.task.split import Batch
from seqline_tasks.pictures import draw_curve
from seqline_tasks.time_series.baseline import seasonal_naive
from seqline_tasks.time_series.encoding import SeriesEncoding
from seqline_tasks.time_series.pictures import draw_fans

TRIVIAL: tuple[str, ...] = ("model", "last value", "last season")
ORIGINS = 10
"""Stretches of time that the back-test shows."""


class ForecastMetrics(Metrics):
    """MSE and MAE of train-scaled values, MASE (Hyndman & Koehler 2006), the quantiles' coverage.

    All are means over windows, steps and variables. MASE divides each variable's absolute error
    by the mean difference of values a season apart in training. Coverage is the share of values
    between the outermost quantiles.
    """

    encoding: SeriesEncoding

    def __init__(self, config: Any, encoding: SeriesEncoding) -> None:
        super().__init__(config, encoding)
        self._parts: list[dict[str, NDArray[Any]]] = []
        self._examples: list[Example] = []

    def update(self, predicted: Tensor, batch: Batch, examples: Sequence[Example] = ()) -> None:
        """Add one batch of forecasts (B, U, V, 1 + Q), as the head gives them."""
        said = forecast_of(predicted, batch, self.config.from_last)
        V = len(self.encoding.targets)
        part = {"said": said, "target": batch["target"], "past": batch["past"][..., :V]}
        self._parts.append({name: t.float().cpu().numpy() for name, t in part.items()})
        self._examples += examples

    def compute(self) -> dict[str, float]:
        """Return mse, mae, mase and coverage."""
        kept = self._together()
        error = np.abs(kept["target"] - kept["said"][..., 0])
        figures = {
            "mse": float(np.square(error).mean()),
            "mae": float(error.mean()),
            "mase": float((error / np.asarray(self.encoding.seasonal_error)).mean()),
        }
        if kept["said"].shape[-1] > 1:
            low, high = kept["said"][..., 1], kept["said"][..., -1]
            inside = (kept["target"] >= low) & (kept["target"] <= high)
            figures["coverage"] = float(inside.mean())
        return figures

    def tables(self) -> dict[str, list[dict[str, Any]]]:
        """Return the errors by step ahead, and of a back-test over rolling origins.

        The test's windows are its origins; each row is a stretch of them.
        """
        kept = self._together()
        errors = self._squared(kept)
        ahead = [
            {"step": step + 1} | {name: float(e[:, step].mean()) for name, e in errors.items()}
            for step in range(self.encoding.horizon)
        ]
        rows = []
        for part in np.array_split(np.arange(len(kept["target"])), ORIGINS):
            if len(part):
                row = {"from": self._time(int(part[0])), "to": self._time(int(part[-1]))}
                figures = {name: float(e[part].mean()) for name, e in errors.items()}
                rows.append({**row, "origins": len(part), **figures})
        return {"mse_by_step": ahead, "backtest": rows}

    def pictures(self, folder: Path) -> list[Path]:
        """Draw forecasts as fans, and the error by step ahead and by origin."""
        kept = self._together()
        files = [folder / "forecasts.png", folder / "mse_by_step.png", folder / "backtest.png"]
        chosen = np.linspace(0, len(kept["target"]) - 1, 6).astype(int)
        titles = [self._time(int(row)) for row in chosen]
        values = {
            name: self.encoding.unscaled(np.moveaxis(kept[name][chosen], 2, -1))
            for name in ("past", "target", "said")
        }
        draw_fans(values, titles, self.encoding.targets[0], self.config.levels, files[0])
        tables = self.tables()
        for name, path, x in (
            ("mse_by_step", files[1], "steps ahead"),
            ("backtest", files[2], "stretch of the test, by origin"),
        ):
            rows = tables[name]
            names: list[str] = [
                key for key in ("model", "last value", "last season") if key in rows[0]
            ]
            curves: dict[str, list[float]] = {key: [row[key] for row in rows] for key in names}
            draw_curve(list(range(1, len(rows) + 1)), curves, path, x=x, y="MSE, train-scaled")
        return files

    def _squared(self, kept: dict[str, Any]) -> dict[str, Any]:
        """Return squared errors (B, U, V) of the model and of the trivial forecasts."""
        target, past = kept["target"], kept["past"]
        trivial = {
            "model": kept["said"][..., 0],
            "last value": np.broadcast_to(past[:, -1:], target.shape),
            "last season": seasonal_naive(past, target.shape[1], self.encoding.season),
        }
        return {name: np.square(target - t) for name, t in trivial.items() if t is not None}

    def _together(self) -> dict[str, Any]:
        names = ("said", "target", "past")
        return {name: np.concatenate([part[name] for part in self._parts]) for name in names}

    def _time(self, row: int) -> str:
        """Return when a window's forecast begins, or its number."""
        if row >= len(self._examples) or self._examples[row]["time"] is None:
            return str(row + 1)
        from seqline_tasks.time_series.windows import series_of

        size = self.encoding.window + 1
        times = series_of(self._examples[row], size).times
        assert times is not None
        return str(times[-1])


def forecast_of(predicted: Tensor, batch: Batch, from_last: bool) -> Tensor:
    """Return scaled values (B, U, V, 1 + Q) of what the head gives."""
    return predicted + batch["last"][:, None, :, None] if from_last else predicted


def unscaled_forecast(
    encoding: SeriesEncoding, predicted: Tensor, batch: Batch, from_last: bool
) -> Any:
    """Return forecast and quantiles in the series' unit, (B, U, 1 + Q, V)."""
    said = forecast_of(predicted, batch, from_last)
    return encoding.unscaled(torch.movedim(said.detach(), 2, -1).double().cpu().numpy())

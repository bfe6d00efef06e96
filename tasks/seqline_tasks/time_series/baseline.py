"""The trivial forecasts: the last value again, the last season again.

Letters: B windows, W steps read, U steps forecast, V variables.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqline_tasks.time_series.windows import Windows

Values = NDArray[Any]


def scale_of(train: Windows, names: list[str]) -> tuple[Values, Values]:
    """Return mean and spread of columns over the steps that training sees; a spread of 0 as 1."""
    steps = train.series.chosen(names)[: int(train.starts[-1]) + train.size]
    spread = steps.std(axis=0)
    return steps.mean(axis=0), np.where(spread > 0, spread, 1.0)


def seasonal_error(values: Values, season: int) -> Values:
    """Return the mean of |y_t − y_{t−m}| in training, what MASE divides by (Hyndman 2006)."""
    if len(values) <= season:
        season = 1
    found: Values = np.abs(values[season:] - values[:-season]).mean(axis=0)
    return np.where(found > 0, found, 1.0)


def seasonal_naive(past: Values, horizon: int, season: int) -> Values | None:
    """Return the last season of (B, W, V) again and again, (B, U, V); None if W is shorter."""
    if past.shape[1] < season:
        return None
    return past[:, past.shape[1] - season + np.arange(horizon) % season]


def trivial_forecasts(train: Windows, test: Windows, config: Any) -> dict[str, float]:
    """Return mse and mae of the last value, train-scaled, its mase; mse of the last season."""
    names = targets_in(train, config)
    season = config.season or train.series.clock.season
    mean, spread = scale_of(train, names)
    seen = (train.series.chosen(names)[: int(train.starts[-1]) + train.size] - mean) / spread
    values = (test.series.chosen(names) - mean) / spread
    W, U = config.window, config.horizon
    at = test.starts[:, None]
    future = values[at + W + np.arange(U)]
    last = future - values[at + W - 1]
    figures = {
        "mse": float(np.square(last).mean()),
        "mae": float(np.abs(last).mean()),
        "mase": float((np.abs(last) / seasonal_error(seen, season)).mean()),
    }
    reach = max(season, W)
    enough = test.starts + W >= reach  # the season may reach back before the window
    if season > 1 and enough.any():
        back = W - season + np.arange(U) % season
        missed = future[enough] - values[at[enough] + back]
        figures["mse of the last season"] = float(np.square(missed).mean())
    return figures


def targets_in(windows: Windows, config: Any) -> list[str]:
    """Return the columns of windows that are forecast: they stand first."""
    others = {*config.covariates, *config.known}
    return list(config.targets) or [n for n in windows.series.columns if n not in others][:1]

"""Series in numbers: scaled as in training, with the calendar; windows of them as batches.

Letters: B windows, W steps read, U steps forecast, V variables forecast, O others read, K known of
the future, the calendar's waves among them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from seqline_plugins.errors import UserError
from seqline_plugins.task.encoding import Encoding
from seqline_plugins.task.rows import Rows
from seqline_plugins.task.source import Example
from seqline_plugins.task.split import Batch, EncodedSplit
from seqline_tasks.time_series.baseline import scale_of, seasonal_error, targets_in
from seqline_tasks.time_series.clock import calendar_of
from seqline_tasks.time_series.table import Series
from seqline_tasks.time_series.windows import Windows, series_of


@dataclass
class SeriesEncoding(Encoding):
    """Which columns there are, each one's mean and spread in training, and MASE's divisor."""

    targets: list[str]
    covariates: list[str]
    known: list[str]
    mean: list[float]
    spread: list[float]
    seasonal_error: list[float]
    season: int
    window: int
    horizon: int
    waves: int
    calendar: bool

    @classmethod
    def build(cls, examples: Iterable[Example], config: Any) -> SeriesEncoding:
        """Measure the training steps."""
        assert isinstance(examples, Windows)
        targets = targets_in(examples, config)
        names = [*targets, *config.covariates, *config.known]
        mean, spread = scale_of(examples, names)
        season = config.season or examples.series.clock.season
        seen = examples.series.chosen(targets)[: int(examples.starts[-1]) + examples.size]
        V = len(targets)
        scaled = (seen - mean[:V]) / spread[:V]
        series = examples.series
        waves = calendar_of(series.times, len(series), series.clock).shape[1]
        return cls(
            targets=targets,
            covariates=list(config.covariates),
            known=list(config.known),
            mean=mean.tolist(),
            spread=spread.tolist(),
            seasonal_error=seasonal_error(scaled, season).tolist(),
            season=season,
            window=config.window,
            horizon=config.horizon,
            waves=waves if config.calendar else 0,
            calendar=config.calendar,
        )

    @property
    def names(self) -> list[str]:
        """All columns, those forecast first."""
        return [*self.targets, *self.covariates, *self.known]

    @property
    def known_size(self) -> int:
        """K."""
        return len(self.known) + self.waves

    def describe(self) -> dict[str, int]:
        """Return the numbers of columns."""
        return {"variables": len(self.targets), "columns": len(self.names), "season": self.season}

    def encode(self, examples: Sequence[Example]) -> Forecasts:
        """Return windows in numbers; the future of an example may be missing."""
        size = self.window + self.horizon
        if isinstance(examples, Windows):
            parts: list[tuple[Series, Any]] = [(examples.series, examples.starts)]
        else:
            parts = [(series_of(self._checked(e), size), np.zeros(1, int)) for e in examples]
        steps, starts, before = [], [], 0
        for series, own in parts:
            scaled = (series.chosen(self.names) - self.mean) / self.spread
            waves = calendar_of(series.times, len(series), series.clock)[:, : self.waves]
            steps.append(np.nan_to_num(np.concatenate([scaled, waves], axis=1)))
            starts.append(own + before)
            before += len(series)
        sizes = (self.window, self.horizon, len(self.targets), self.known_size)
        return Forecasts(
            np.concatenate(steps).astype(np.float32), np.concatenate(starts), np.asarray(sizes)
        )

    def unscaled(self, values: Any) -> Any:
        """Return (…, V) in the series' own unit."""
        V = len(self.targets)
        return values * np.asarray(self.spread[:V]) + np.asarray(self.mean[:V])

    def _checked(self, example: Example) -> Example:
        place = example.get("place", "the series")
        for name in self.names:
            if name not in example["columns"]:
                there = ", ".join(example["columns"])
                raise UserError(f"{place}: has no column '{name}'. Columns: {there}.")
        given = min(len(example["columns"][name]) for name in self.targets)
        if given < self.window:
            raise UserError(
                f"{place}: found {given} steps of '{self.targets[0]}', expected {self.window} at "
                "least, the window that the model reads."
            )
        if self.waves and example["time"] is None:
            raise UserError(f"{place}: found no times, which the model reads the calendar from.")
        return example


@dataclass
class Forecasts(EncodedSplit):
    """All steps once, (N, V + O + K), and where each window of W + U steps starts."""

    steps: Any
    starts: Any
    sizes: Any
    """W, U, V, K."""

    @property
    def lengths(self) -> Any:  # type: ignore[override]
        """Steps read in every window."""
        return np.full(len(self.starts), int(self.sizes[0]))

    def batch(self, rows: Sequence[int]) -> Batch:
        """Return windows as a batch.

        lengths (B,); past (B, W, V + O); known (B, W + U, K); last (B, V); target (B, U, V).
        """
        W, U, V, K = (int(size) for size in self.sizes)
        start = np.asarray(self.starts)[np.asarray(rows, dtype=np.int64)]
        whole = torch.from_numpy(np.asarray(self.steps)[start[:, None] + np.arange(W + U)])
        columns = whole.shape[-1] - K
        return {
            "lengths": torch.full((len(start),), W),
            "past": whole[:, :W, :columns],
            "known": whole[:, :, columns:],
            "last": whole[:, W - 1, :V],
            "target": whole[:, W:, :V],
        }

    def save(self, folder: Path) -> None:
        """Write Arrow tables of the steps, the starts, the sizes."""
        for name in ("steps", "starts", "sizes"):
            (folder / name).mkdir()
            table = Rows({"values": [getattr(self, name)], "lengths": [1]})
            table.save(folder / name)

    @classmethod
    def load(cls, folder: Path) -> Forecasts:
        """Open them, memory-mapped."""
        names = ("steps", "starts", "sizes")
        return cls(*(Rows.load(folder / name).columns["values"].values for name in names))

"""Time series: steps of one or several variables in, the steps after them out."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from torch import Tensor

from seqline_plugins.architecture import Kind
from seqline_plugins.errors import UserError
from seqline_plugins.task.head import Head
from seqline_plugins.task.metrics import Metric
from seqline_plugins.task.source import DataSource, Example
from seqline_plugins.task.split import Batch
from seqline_plugins.task.task import Task
from seqline_tasks.time_series.config import Config
from seqline_tasks.time_series.encoding import Forecasts, SeriesEncoding
from seqline_tasks.time_series.head import StepForecast, WindowForecast
from seqline_tasks.time_series.inputs import StepInputs
from seqline_tasks.time_series.scoring import ForecastMetrics, unscaled_forecast
from seqline_tasks.time_series.sources import SeriesSource
from seqline_tasks.time_series.table import read_csv

__all__ = ["TimeSeries"]


class TimeSeries(Task):
    """Forecasts the next steps; scored beside the last value and the last season again."""

    Config = Config
    kinds = (Kind("sequence", "entity"), Kind("sequence", "sequence"))
    metrics = (
        Metric("mse", "lower"),
        Metric("mae", "lower"),
        Metric("mase", "lower"),
        Metric("coverage"),
    )
    primary = "mse"
    source = SeriesSource
    encoding = SeriesEncoding
    split = Forecasts
    inputs = StepInputs
    head = WindowForecast
    scoring = ForecastMetrics

    def head_for(self, kind: Kind) -> type[Head]:
        """Return the head for all steps at once, or for an architecture that writes each."""
        return StepForecast if kind.output == "sequence" else WindowForecast

    def parse(self, lines: Iterable[str], place: str) -> list[Example]:
        """Read a CSV, whose end is forecast, or a window a line as JSON.

        Rows at the end that have no value of what is forecast are the future that is known.
        """
        given = [line for line in lines if line.strip()]
        if given and given[0].lstrip().startswith("{"):
            numbered = enumerate(given, start=1)
            return [_window(line, f"{place}, line {number}") for number, line in numbered]
        series = read_csv(given, place, self.config.time, "linear", open_end=True)
        others = {*self.config.covariates, *self.config.known}
        names = list(self.config.targets) or [n for n in series.columns if n not in others]
        missing = [name for name in names if name not in series.columns]
        if missing:
            there = ", ".join(series.columns)
            raise UserError(f"{place}: has no column '{missing[0]}'. Columns: {there}.")
        ends = [_end(series.columns[name]) for name in names]
        end = min(ends, default=len(series))
        if end < self.config.window:
            raise UserError(
                f"{place}: found {end} steps, expected {self.config.window} at least, the window "
                "that the model reads."
            )
        first = end - self.config.window
        columns = {
            name: [None if x != x else float(x) for x in values[first:]]
            for name, values in series.columns.items()
        }
        time = None if series.times is None else str(series.times[first])
        clock = [series.clock.size, series.clock.unit]
        return [{"time": time, "step": clock, "columns": columns, "place": place}]

    def text_of(self, example: Example) -> str:
        """Return the window that is read as JSON."""
        W = self.config.window
        known = set(self.config.known)
        columns = {n: v if n in known else v[:W] for n, v in example["columns"].items()}
        return json.dumps({**example, "columns": columns})

    def render(
        self, examples: Sequence[Example], predicted: Sequence[Sequence[Any]], data: DataSource
    ) -> str:
        """Return each forecast as CSV: the time, each variable and its quantiles."""
        from seqline_tasks.time_series.windows import series_of

        parts = []
        for example, steps in zip(examples, predicted, strict=True):
            W, U = self.config.window, self.config.horizon
            times = series_of(example, W + U).times
            rows = ["time," + ",".join(steps[0])] if steps else []
            for number, step in enumerate(steps):
                when = str(number + 1) if times is None else str(times[W + number])
                rows.append(",".join([when, *(f"{value:.6g}" for value in step.values())]))
            parts.append("\n".join(rows) + "\n")
        return "\n".join(parts)

    def decode(self, encoding: Any, predicted: Tensor, batch: Batch) -> list[list[Any]]:
        """Return for each window its steps: {"OT": value, "OT 0.1": quantile, …}."""
        values = unscaled_forecast(encoding, predicted, batch, self.config.from_last)
        kinds = ["", *(f" {level:g}" for level in self.config.levels)]
        return [
            [
                {
                    f"{name}{kind}": float(step[at, variable])
                    for variable, name in enumerate(encoding.targets)
                    for at, kind in zip(range(step.shape[0]), kinds, strict=False)
                }
                for step in window
            ]
            for window in values
        ]

    def samples(self, examples: Sequence[Example], predicted: Sequence[Sequence[Any]]) -> list[str]:
        """Return a few windows: the first steps forecast beside what came."""
        shown = []
        for row in range(0, len(examples), max(1, len(examples) // 3)):
            name = next(iter(predicted[row][0]))
            came = examples[row]["columns"][name][self.config.window :][:6]
            said = [step[name] for step in predicted[row][:6]]
            pairs = ", ".join(f"{a:.4g} ({b:.4g})" for a, b in zip(said, came, strict=True))
            shown.append(f"window from {examples[row]['time'] or row}: {name} {pairs}, … (came)")
        return shown[:3]


def _end(values: Any) -> int:
    """Return where a column's values end, what is not known left out."""
    known = [number for number, value in enumerate(values) if value == value]
    return known[-1] + 1 if known else 0


def _window(line: str, place: str) -> Example:
    try:
        found = json.loads(line)
        columns = {str(name): list(values) for name, values in found["columns"].items()}
        time = found.get("time")
        size, unit = found.get("step", [1, "seconds"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f'{place}: expected a window as {{"time": "2016-07-01 00:00", "step": [3600, '
            '"seconds"], "columns": {"NAME": [1.5, …]}}.'
        ) from error
    for name, values in columns.items():
        for number, value in enumerate(values):
            if value is not None and not (isinstance(value, int | float) and abs(value) < 1e300):
                raise UserError(f"{place}: found {value!r} in '{name}' at {number}.")
    return {"time": time, "step": [int(size), str(unit)], "columns": columns, "place": place}

"""Where series come from, and how they are cut into windows of train, validation and test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from seqline_plugins.errors import UserError, nearest
from seqline_plugins.task.source import DataSource, Example, Source
from seqline_tasks.data.files import digest_of, matching_files
from seqline_tasks.data.hub import describe_hub, load_hub
from seqline_tasks.data.split import SPLITS, deal
from seqline_tasks.time_series.baseline import trivial_forecasts
from seqline_tasks.time_series.builtin import builtin_series, version_of_series
from seqline_tasks.time_series.table import Series, of_frame, read_series
from seqline_tasks.time_series.windows import Windows

KEYS = ("train", "validation", "test", "file")


class SeriesSource(Source):
    """Windows over a series; what is forecast in a split lies in that split's time."""

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self._said: list[str] = []

    def read(self, data: DataSource) -> dict[str, Windows]:
        """Return the windows of the three splits; the first window is read, not forecast."""
        if data.source == "files" and not data.file:
            given = {key: self._file(data, key) for key in ("train", "validation", "test")}
            if given["validation"] is None:
                given["train"], given["validation"] = self._held_out(given["train"])
            splits = {name: (one, 0, len(one)) for name, one in given.items() if one is not None}
        else:
            series = self._whole(data)
            if data.split_by != "order":
                raise UserError(
                    f"data.split_by: found {data.split_by}, expected order: a forecast that was "
                    "trained on what comes after it means nothing."
                )
            dealt = deal(range(len(series)), data.split, "order", data.seed)
            splits = {name: (series, steps[0], steps[-1] + 1) for name, steps in dealt.items()}
        return {name: self._windows(name, *splits[name], data.column) for name in SPLITS}

    def fingerprint(self, data: DataSource) -> dict[str, Any]:
        """Return file digests, or the package that holds the series and its version."""
        rule = {"split": data.split, "source": data.source, "column": data.column}
        rule |= {"fill": data.fill, "seed": data.seed}
        if data.source == "builtin":
            return rule | {"series": self.config.series} | version_of_series(self.config.series)
        if data.source == "hub":
            return rule | describe_hub(_repo(data), data.subset, data.revision)
        given = [key for key in KEYS if getattr(data, key)]
        return rule | {key: digest_of(_path(data, key)) for key in given}

    def baseline(self, splits: Mapping[str, Sequence[Example]]) -> dict[str, float]:
        """Return the errors of repeating the last value, and of repeating the last season."""
        train, test = splits["train"], splits["test"]
        assert isinstance(train, Windows) and isinstance(test, Windows)
        return trivial_forecasts(train, test, self.config)

    def warnings(self, splits: Mapping[str, Sequence[Example]]) -> list[str]:
        """Tell of gaps that were filled."""
        return self._said

    def _whole(self, data: DataSource) -> Series:
        if data.source == "files":
            found = self._file(data, "file")
            assert found is not None
            return found
        if data.source == "builtin":
            return builtin_series(self.config.series)
        repo = _repo(data)
        frame = load_hub(repo, data.subset, data.revision)["train"].to_pandas()
        places = [f"{repo}, row {number}" for number in range(1, len(frame) + 1)]
        return of_frame(frame, repo, places, self.config.time, data.fill)

    def _file(self, data: DataSource, key: str) -> Series | None:
        if not getattr(data, key):
            return None
        found = read_series(_path(data, key), self.config.time, data.fill)
        self._said += [f"data.{key}: {said}" for said in found.said]
        return found

    def _held_out(self, series: Series | None) -> tuple[Series, Series]:
        """Return the first nine tenths of a series, and its end with a window before it."""
        assert series is not None
        at = len(series) - max(len(series) // 10, self.config.horizon)
        first = max(0, at - self.config.window)
        parts = []
        for start, stop in ((0, at), (first, len(series))):
            columns = {name: values[start:stop] for name, values in series.columns.items()}
            times = None if series.times is None else series.times[start:stop]
            parts.append(Series(columns, times, series.clock))
        return parts[0], parts[1]

    def _windows(
        self, name: str, series: Series, first: int, stop: int, column: str | None
    ) -> Windows:
        """Return the windows whose forecast lies in steps `first` to `stop`; W reaches back."""
        W, U = self.config.window, self.config.horizon
        stride = self.config.stride if name == "train" else 1
        starts = np.arange(max(first - W, 0), stop - W - U + 1, stride)
        if not len(starts):
            raise UserError(
                f"{name}: found {stop - first:,} steps, but a window of task.window={W} steps and "
                f"a forecast of task.horizon={U} need {W + U}. Choose smaller ones, or more data."
            )
        targets, others = columns_of(series, self.config, column)
        kept = {n: series.columns[n] for n in (*targets, *others)}
        return Windows(Series(kept, series.times, series.clock), starts, W + U)


def columns_of(series: Series, config: Any, column: str | None) -> tuple[list[str], list[str]]:
    """Return the columns to forecast, and those that are read beside them.

    Raises `UserError` for a column that is not there, or is none of numbers.
    """
    there = list(series.columns)
    targets = list(config.targets) or [column or there[-1]]
    others = [*config.covariates, *config.known]
    for key, names in (("targets", targets), ("covariates", others)):
        for name in names:
            if name not in there:
                place = "data.column" if name == column else f"task.{key}"
                raise UserError(
                    f"{place}: there is no column of numbers '{name}'.{nearest(name, there)} "
                    f"Columns: {', '.join(there)}."
                )
    return targets, [name for name in others if name not in targets]


def _path(data: DataSource, key: str) -> Path:
    given = getattr(data, key)
    files = matching_files(given, f"data.{key}") if isinstance(given, str) else []
    if len(files) != 1:
        raise UserError(f"data.{key}={given}: found {len(files)} files, expected one series.")
    return files[0]


def _repo(data: DataSource) -> str:
    if not data.repo:
        raise UserError("data.repo: data=hub needs the name of a dataset with a column of times.")
    return data.repo

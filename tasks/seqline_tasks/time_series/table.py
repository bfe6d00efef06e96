"""Reading a series: CSV or Parquet with a column of times, columns of numbers beside it."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from seqline_plugins.errors import UserError, nearest
from seqline_tasks.data.files import read_lines
from seqline_tasks.time_series.clock import Clock, settle

TIMES = ("time", "date", "datetime", "timestamp", "ds", "day", "month", "year")
SEPARATORS = (",", ";", "\t")
Values = NDArray[Any]


@dataclass
class Series:
    """Columns of numbers at equal steps; `times` is None where the rows are only counted."""

    columns: dict[str, Values]
    times: pd.DatetimeIndex | None
    clock: Clock
    said: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def chosen(self, names: Sequence[str]) -> Values:
        """Return some columns side by side, (steps, columns)."""
        if not names:
            return np.zeros((len(self), 0))
        return np.stack([self.columns[name] for name in names], axis=1)


def read_series(path: Path, time: str | None, fill: str | None, open_end: bool = False) -> Series:
    """Return the series of a CSV (gz allowed) or Parquet file; see `of_frame`.

    Raises `UserError` naming file and line for what cannot be read.
    """
    name = path.name.removesuffix(".gz")
    if name.endswith((".parquet", ".pq")):
        try:
            frame = pd.read_parquet(path)
        except Exception as error:  # the libraries below raise many kinds
            first = str(error).strip().splitlines()[0]
            raise UserError(f"{path}: cannot be read as Parquet ({first}).") from error
        if not isinstance(frame.index, pd.RangeIndex):
            frame = frame.reset_index()
        places = [f"{path}, row {number}" for number in range(1, len(frame) + 1)]
        return of_frame(frame, str(path), places, time, fill, open_end)
    return read_csv((line for _, line in read_lines(path)), str(path), time, fill, open_end)


def read_csv(
    lines: Iterable[str], place: str, time: str | None, fill: str | None, open_end: bool = False
) -> Series:
    """Return the series of a CSV's lines, the first of which names the columns."""
    given = [line for line in lines if line.strip()]
    if len(given) < 2:
        raise UserError(f"{place}: found {len(given)} lines, expected names and rows of numbers.")
    separator = max(SEPARATORS, key=given[0].count)
    try:
        text = io.StringIO("\n".join(given))
        frame = pd.read_csv(text, sep=separator, dtype=str, keep_default_na=False)
    except pd.errors.ParserError as error:
        raise UserError(f"{place}: cannot be read as CSV ({str(error).strip()}).") from error
    places = [f"{place}, line {number}" for number in range(2, len(frame) + 2)]
    return of_frame(frame, place, places, time, fill, open_end)


def of_frame(
    frame: pd.DataFrame,
    place: str,
    places: Sequence[str],
    time: str | None,
    fill: str | None,
    open_end: bool = False,
) -> Series:
    """Return the columns of numbers at equal steps.

    `open_end` lets values be missing in the last rows: a future of which only some columns are
    known. Raises `UserError` where there is no column of numbers or a number is infinite, and what
    `settle` raises.
    """
    frame = frame.rename(columns=lambda name: str(name).strip())
    at = _time_column(frame, time, place)
    columns = {}
    for name in frame.columns:
        if name != at:
            values = _numbers(frame[name])
            if values is not None and not np.isnan(values).all():
                columns[name] = values
    if not columns:
        names = ", ".join(f"{name} ({str(frame[name].iloc[0])[:20]!r})" for name in frame.columns)
        raise UserError(f"{place}: found no column of numbers among {names}.")
    for name, values in columns.items():
        infinite = np.flatnonzero(np.isinf(values))
        if len(infinite):
            row = int(infinite[0])
            raise UserError(f"{places[row]}: found {values[row]} in '{name}', expected a number.")
    if at is None:
        times = pd.date_range("2000-01-01", periods=len(frame), freq="D")
        _, columns, _, said = _settled(times, columns, fill, places, open_end)
        return Series(columns, None, Clock(1), said)
    times = _times(frame[at], at, places)
    return Series(*_reordered(*_settled(times, columns, fill, places, open_end)))


def _reordered(times: Any, columns: Any, clock: Clock, said: list[str]) -> tuple[Any, ...]:
    return columns, times, clock, said


def _settled(
    times: pd.DatetimeIndex,
    columns: dict[str, Values],
    fill: str | None,
    places: Sequence[str],
    open_end: bool,
) -> Any:
    if not open_end:
        return settle(times, columns, fill, places)
    ends = {}
    for name, values in columns.items():
        there = np.flatnonzero(~np.isnan(values))
        ends[name] = len(values) - 1 - int(there[-1])
    closed = {n: np.where(_last(len(v), ends[n]), 0.0, v) for n, v in columns.items()}
    times, filled, clock, said = settle(times, closed, fill, places)
    opened = {n: np.where(_last(len(v), ends[n]), np.nan, v) for n, v in filled.items()}
    return times, opened, clock, said


def _last(length: int, count: int) -> Values:
    return np.arange(length) >= length - count


def _time_column(frame: pd.DataFrame, asked: str | None, place: str) -> str | None:
    names = list(frame.columns)
    if asked is not None:
        if asked not in names:
            raise UserError(
                f"{place}: has no column '{asked}' (task.time).{nearest(asked, names)} "
                f"Columns: {', '.join(names)}."
            )
        return asked
    by_name = [name for name in names if name.lower() in TIMES]
    if by_name:
        return by_name[0]
    first = names[0]
    if _numbers(frame[first]) is None:
        parsed = pd.to_datetime(frame[first], errors="coerce", format="ISO8601")
        if bool(parsed.notna().mean() > 0.5):
            return first
    return None


def _times(column: pd.Series[Any], name: str, places: Sequence[str]) -> pd.DatetimeIndex:
    numbers = _numbers(column)
    if numbers is not None and bool(((numbers >= 1) & (numbers <= 9999)).all()):
        text = [f"{int(year):04d}-01-01" for year in numbers]  # years
        return pd.DatetimeIndex(np.asarray(text, dtype="datetime64[s]"))
    parsed = pd.to_datetime(column, errors="coerce", format="ISO8601", utc=True)
    if bool(parsed.isna().all()):
        parsed = pd.to_datetime(column, errors="coerce", format="mixed", utc=True)
    missing = np.flatnonzero(parsed.isna().to_numpy())
    if len(missing):
        row = int(missing[0])
        raise UserError(
            f"{places[row]}: found {str(column.iloc[row])[:40]!r} in '{name}', expected a "
            "time such as 2016-07-01 13:00."
        )
    return pd.DatetimeIndex(parsed.dt.tz_localize(None).to_numpy().astype("datetime64[s]"))


def _numbers(column: pd.Series[Any]) -> Values | None:
    """Return a column's numbers, NaN where it is empty, or None where it has anything else."""
    if pd.api.types.is_numeric_dtype(column):
        return column.to_numpy(dtype=np.float64, na_value=np.nan)
    if pd.api.types.is_datetime64_any_dtype(column):
        return None
    text = column.astype(str).str.strip()
    empty = text.str.lower().isin(("", "nan", "na", "null", "none"))
    numbers = pd.to_numeric(text.where(~empty), errors="coerce")
    if bool((numbers.isna() & ~empty).any()):
        return None
    return numbers.to_numpy(dtype=np.float64)

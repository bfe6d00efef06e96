"""Equal steps of time: found in a column of times, held to, counted.

A step is so many seconds, or so many months (months and years are not equally long).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from seqline_plugins.errors import UserError

DAY = 86400
SHOWN = 3


@dataclass(frozen=True)
class Clock:
    """One step is `size` seconds, or `size` months."""

    size: int
    unit: str = "seconds"

    @classmethod
    def of(cls, times: pd.DatetimeIndex) -> Clock:
        """Return the step that most neighbouring times are apart."""
        seconds = np.diff(_seconds(times))
        ahead = Counter(seconds[seconds > 0].tolist())
        if not ahead:
            return cls(1)
        usual = ahead.most_common(1)[0][0]
        months = round(usual / (30.44 * DAY))
        if months and abs(usual - months * 30.44 * DAY) <= 2.5 * DAY and _same_days(times):
            return cls(months, "months")
        return cls(int(usual))

    def count(self, times: pd.DatetimeIndex) -> NDArray[Any]:
        """Return how many steps after the first each time is; a fraction where it is between."""
        if self.unit == "months":
            months = times.year.to_numpy() * 12 + times.month.to_numpy()
            return (months - months[0]) / self.size
        seconds = _seconds(times)
        return (seconds - seconds[0]) / self.size

    def times(self, first: pd.Timestamp, count: int) -> pd.DatetimeIndex:
        """Return `count` times from the first on."""
        step = (
            pd.DateOffset(months=self.size)
            if self.unit == "months"
            else pd.Timedelta(seconds=self.size)
        )
        return pd.date_range(first, periods=count, freq=step)

    @property
    def season(self) -> int:
        """Steps of a day, of a week for days, of a year for weeks and months, else 1."""
        if self.unit == "months":
            return 12 // self.size if 12 % self.size == 0 else 1
        if self.size < DAY:
            return round(DAY / self.size)
        return {DAY: 7, 7 * DAY: 52}.get(self.size, 1)

    def __str__(self) -> str:
        if self.unit == "months":
            return "a month" if self.size == 1 else f"{self.size} months"
        return str(pd.Timedelta(seconds=self.size)).removeprefix("0 days ")


def settle(
    times: pd.DatetimeIndex,
    columns: dict[str, NDArray[Any]],
    fill: str | None,
    lines: Sequence[str],
) -> tuple[pd.DatetimeIndex, dict[str, NDArray[Any]], Clock, list[str]]:
    """Return times and columns at equal steps, the step, and what was filled.

    `lines` names each row's place. Raises `UserError` for times between two steps, and, without
    `fill`, for times that go back, repeat or leave gaps and for missing values, naming the first
    few. With it the last of repeated rows counts and gaps are filled.
    """
    clock = Clock.of(times)
    steps = clock.count(times)
    between = np.flatnonzero(np.abs(steps - np.round(steps)) > 1e-6)
    if len(between):
        row = int(between[0])
        raise UserError(
            f"{lines[row]}: found the time {times[row]}, expected one every {clock} from "
            f"{times[0]} on."
        )
    number = np.round(steps).astype(np.int64)
    wrong = _wrong(number, times, lines)
    missing = [
        f"{lines[row]}: no value of '{name}'"
        for name, values in columns.items()
        for row in np.flatnonzero(np.isnan(values)).tolist()
    ]
    found = [*wrong, *missing]
    if not found:
        return times, columns, clock, []
    if fill is None:
        more = f" and {len(found) - SHOWN:,} more" if len(found) > SHOWN else ""
        raise UserError(
            f"{'; '.join(found[:SHOWN])}{more}. One row every {clock} is expected, each with its "
            "values. data.fill=previous or data.fill=linear fills gaps; of repeated times the last "
            "row counts then."
        )
    frame = pd.DataFrame(columns, index=number)
    frame = frame[~frame.index.duplicated(keep="last")].sort_index()
    frame = frame.reindex(range(int(frame.index[0]), int(frame.index[-1]) + 1))
    filled = frame.ffill() if fill == "previous" else frame.interpolate("linear")
    filled = filled.ffill().bfill()
    first = times[int(np.argmin(number))]
    whole = {name: filled[name].to_numpy() for name in columns}
    said = f"{len(found):,} gaps, repeats or missing values are filled (data.fill={fill})."
    return clock.times(first, len(filled)), whole, clock, [said]


def calendar_of(times: pd.DatetimeIndex | None, count: int, clock: Clock) -> Any:
    """Return sine and cosine of the hour, the day of the week and of the year, (count, K).

    Only those that a step of this size moves through.
    """
    if times is None:
        return np.zeros((count, 0), dtype=np.float32)
    day = clock.unit == "seconds" and clock.size < DAY
    week = clock.unit == "seconds" and clock.size <= DAY
    year = clock.unit == "seconds" or clock.size < 12
    phases = []
    if day:
        phases.append((times.hour + times.minute / 60 + times.second / 3600) / 24)
    if week:
        phases.append(times.dayofweek / 7)
    if year:
        phases.append((times.dayofyear - 1) / 365.25)
    waves = [wave(2 * np.pi * np.asarray(phase)) for phase in phases for wave in (np.sin, np.cos)]
    if not waves:
        return np.zeros((count, 0), dtype=np.float32)
    return np.stack(waves, axis=1).astype(np.float32)


def _wrong(number: Any, times: pd.DatetimeIndex, lines: Sequence[str]) -> list[str]:
    """Return where times go back, repeat, or leave steps out."""
    found = []
    for row in (np.flatnonzero(np.diff(number) != 1) + 1).tolist():
        ahead = int(number[row] - number[row - 1])
        if ahead > 1:
            plural = "s are" if ahead > 2 else " is"
            what = f"{ahead - 1} step{plural} missing before {times[row]}"
        else:
            what = f"the time {times[row]} " + ("stands twice" if ahead == 0 else "goes back")
        found.append(f"{lines[row]}: {what}")
    return found


def _seconds(times: pd.DatetimeIndex) -> NDArray[Any]:
    return times.to_numpy().astype("datetime64[s]").astype(np.int64)


def _same_days(times: pd.DatetimeIndex) -> bool:
    """Say whether all times are of one day of the month, or of its end."""
    return len(set(times.day)) == 1 or bool(times.is_month_end.all())

"""Windows of a series: each an example, made when it is asked for.

Letters: N steps of a series, W steps read, U steps forecast.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from seqline_plugins.task.source import Example
from seqline_tasks.time_series.clock import Clock
from seqline_tasks.time_series.table import Series

Places = NDArray[Any]


class Windows(Sequence[Example]):
    """Windows of `series` that begin at `starts`, W + U steps each.

    As an example a window is {"time": of its first step or None, "step": (size, unit),
    "columns": {name: W + U values}}.
    """

    def __init__(self, series: Series, starts: Places, size: int) -> None:
        self.series, self.starts, self.size = series, starts, size

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, number: Any) -> Any:
        """Return window `number`, or those of a slice."""
        if isinstance(number, slice):
            return [self[one] for one in range(*number.indices(len(self)))]
        start = int(self.starts[number])
        times = self.series.times
        return {
            "time": None if times is None else str(times[start]),
            "step": [self.series.clock.size, self.series.clock.unit],
            "columns": {
                name: [round(float(x), 9) for x in values[start : start + self.size]]
                for name, values in self.series.columns.items()
            },
        }


def series_of(example: Example, size: int) -> Series:
    """Return a window as a series of its own, `size` steps, those not known NaN."""
    columns = {}
    for name, values in example["columns"].items():
        known = np.asarray([np.nan if x is None else x for x in values], dtype=np.float64)
        columns[name] = np.concatenate([known, np.full(max(0, size - len(known)), np.nan)])[:size]
    clock = Clock(*example["step"])
    times = None
    if example["time"] is not None:
        times = clock.times(pd.Timestamp(example["time"]), size)
    return Series(columns, times, clock)

"""Options of `task=time_series`."""

from __future__ import annotations

from dataclasses import dataclass

from seqline_plugins.options import option

BUILTIN = ("temperatures", "co2", "sunspots")
DISTRIBUTIONS = ("gaussian", "squared", "quantiles")
READ = ("levels", "changes", "both")


@dataclass
class Config:
    """Forecasting of time series."""

    series: str = option(
        "temperatures",
        "the built-in series: Seattle's hourly temperatures, weekly CO₂ of Mauna Loa, yearly "
        "sunspots",
        choices=BUILTIN,
    )
    time: str | None = option(None, "the column of times; null finds it by its name or content")
    targets: list[str] = option(
        [], "columns to forecast; none is data.column, or the last column of numbers"
    )
    covariates: list[str] = option([], "columns that are read beside them and not forecast")
    known: list[str] = option([], "columns whose future is known too: holidays, prices, plans")
    calendar: bool = option(True, "read the hour, the day of the week and of the year")
    window: int = option(96, "steps that are read", low=2)
    horizon: int = option(24, "steps that are forecast", low=1)
    stride: int = option(1, "steps from one training window to the next", low=1)
    season: int | None = option(
        None,
        "steps of a season, for the seasonal baseline and MASE; null is a day, week or year",
        low=1,
    )
    read: str = option(
        "both", "what the network sees of a value: its level, its change, both", choices=READ
    )
    from_last: bool = option(True, "forecast the difference from the last value that was read")
    distribution: str = option(
        "gaussian",
        "a mean and a spread, the mean by squared error alone, or quantiles",
        choices=DISTRIBUTIONS,
    )
    levels: list[float] = option(
        [0.1, 0.25, 0.5, 0.75, 0.9], "the quantiles that are drawn or learned", low=0, high=1
    )
    online: bool = option(False, "a forecast after every step that comes in, no look-ahead")

    def __post_init__(self) -> None:
        if self.levels != sorted(set(self.levels)) or any(q in (0, 1) for q in self.levels):
            raise ValueError(f"levels: found {self.levels}, expected them rising between 0 and 1")
        if self.distribution == "quantiles" and 0.5 not in self.levels:
            raise ValueError(
                f"levels: found {self.levels}, expected 0.5 among them, the forecast itself"
            )
        doubled = (set(self.targets) & set(self.covariates)) | (
            set(self.known) & {*self.targets, *self.covariates}
        )
        if doubled:
            raise ValueError(
                f"known: '{min(doubled)}' is named twice among targets, covariates and known"
            )

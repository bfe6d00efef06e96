"""Series that install with pip: vega_datasets' and statsmodels'."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from seqline_plugins.errors import UserError
from seqline_tasks.time_series.table import Series, of_frame

PACKAGES = {"temperatures": "vega-datasets", "co2": "statsmodels", "sunspots": "statsmodels"}


def builtin_series(name: str) -> Series:
    """Return Seattle's hourly temperatures of 2010 (°F), CO₂ (ppm) or sunspots, gaps filled.

    Raises `UserError` where the package is not installed.
    """
    frame = _frame(name)
    places = [f"{name}, row {number}" for number in range(1, len(frame) + 1)]
    return of_frame(frame, name, places, None, "linear")


def version_of_series(name: str) -> dict[str, str]:
    """Return the package and its version; raises `UserError` where it is not installed."""
    _package(name)
    return {PACKAGES[name]: version(PACKAGES[name])}


def _frame(name: str) -> Any:
    package = _package(name)
    if name == "temperatures":
        return package.local_data.seattle_temps()
    if name == "co2":
        return package.co2.load_pandas().data.rename_axis("date").reset_index()
    return package.sunspots.load_pandas().data


def _package(name: str) -> Any:
    try:
        if name == "temperatures":
            import vega_datasets

            return vega_datasets
        from statsmodels import datasets

        return datasets
    except ImportError as error:
        raise UserError(
            f"data=builtin reads {name} from the package {PACKAGES[name]}, which is not "
            "installed: pip install 'seqline[samples]', or use data=files data.file=series.csv"
        ) from error

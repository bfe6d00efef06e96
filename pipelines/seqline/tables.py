"""How much room a table takes, for those that leave columns out rather than cut them."""

from __future__ import annotations

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

NO_END = 10_000
"""Columns of a terminal in which everything has room."""


def has_room(table: Table, console: Console) -> bool:
    """Say whether a table can be printed without cutting a word or a figure."""
    options = console.options.update(max_width=NO_END)
    return Measurement.get(console, options, table).minimum <= console.width

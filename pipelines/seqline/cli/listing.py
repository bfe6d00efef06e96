"""`seqline plugins list`: what is installed, from metadata alone."""

from __future__ import annotations

import json
import sys

from seqline_plugins.discovery import GROUPS, installed, origin_of
from seqline_plugins.errors import UserError, nearest

COLUMNS = ("kind", "name", "target", "distribution", "version", "state")
DUPLICATE, NOT_CHECKED = "duplicate", "not checked"


def list_plugins(kind: str | None = None, *, as_json: bool = False) -> None:
    """Print every plugin of a kind, or of all; raises `UserError` for an unknown kind."""
    if kind is not None and kind not in GROUPS:
        known = ", ".join(GROUPS)
        raise UserError(f"{kind}: no kind of plugin.{nearest(kind, GROUPS)} Known: {known}.")
    rows = [row for one in reversed(GROUPS) if kind in (None, one) for row in _rows(one)]
    if as_json:
        print(json.dumps({"plugins": rows}, ensure_ascii=False))  # noqa: T201
        return
    if sys.stdout.isatty():
        _show(rows)
        return
    for row in [dict(zip(COLUMNS, COLUMNS, strict=True)), *rows]:
        print("\t".join(row[column] for column in COLUMNS))  # noqa: T201


def _show(rows: list[dict[str, str]]) -> None:
    """Print the rows as a table that fits 80 columns."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False, caption_justify="left")
    for column in ("kind", "name", "from"):
        table.add_column(column, no_wrap=True)
    table.add_column("target", overflow="fold")
    for row in rows:
        twice = row["state"] == DUPLICATE
        name = f"{row['name']} ({DUPLICATE})" if twice else row["name"]
        origin = f"{row['distribution']} {row['version']}"
        table.add_row(row["kind"], name, origin, row["target"], style="red" if twice else None)
    table.caption = f"{NOT_CHECKED}: read from metadata alone, nothing was imported"
    Console().print(table)


def _rows(kind: str) -> list[dict[str, str]]:
    rows = []
    for name, entries in installed(kind).items():
        for entry in entries:
            distribution, version = origin_of(entry.dist)
            state = DUPLICATE if len(entries) > 1 else NOT_CHECKED
            values = (kind, name, entry.value, distribution, version, state)
            rows.append(dict(zip(COLUMNS, values, strict=True)))
    return rows

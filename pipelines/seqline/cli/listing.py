"""`seqline plugins list`: what is installed, from metadata alone."""

from __future__ import annotations

import json

from seqline_plugins.discovery import GROUPS, installed, origin_of
from seqline_plugins.errors import UserError, nearest

COLUMNS = ("kind", "name", "target", "distribution", "version", "state")


def list_plugins(kind: str | None = None, *, as_json: bool = False) -> None:
    """Print every plugin of a kind, or of all; raises `UserError` for an unknown kind."""
    if kind is not None and kind not in GROUPS:
        known = ", ".join(GROUPS)
        raise UserError(f"{kind}: no kind of plugin.{nearest(kind, GROUPS)} Known: {known}.")
    rows = [row for one in reversed(GROUPS) if kind in (None, one) for row in _rows(one)]
    if as_json:
        print(json.dumps({"plugins": rows}, ensure_ascii=False))  # noqa: T201
        return
    from rich.box import SIMPLE
    from rich.console import Console
    from rich.table import Table

    console = Console()
    table = Table(*COLUMNS[:2], box=SIMPLE if console.is_terminal else None, pad_edge=False)
    for column in COLUMNS[2:]:
        table.add_column(column, overflow="fold")
    for row in rows:
        style = "red" if row["state"] == "duplicate" else None
        table.add_row(*(row[column] for column in COLUMNS), style=style)
    if console.is_terminal:
        console.print(table)
        return
    for row in [dict(zip(COLUMNS, COLUMNS, strict=True)), *rows]:
        print("\t".join(row[column] for column in COLUMNS))  # noqa: T201


def _rows(kind: str) -> list[dict[str, str]]:
    rows = []
    for name, entries in installed(kind).items():
        for entry in entries:
            distribution, version = origin_of(entry.dist)
            state = "duplicate" if len(entries) > 1 else "not checked"
            values = (kind, name, entry.value, distribution, version, state)
            rows.append(dict(zip(COLUMNS, values, strict=True)))
    return rows

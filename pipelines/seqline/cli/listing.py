"""`seqline plugins list`: what is installed, from metadata alone unless it is to be checked."""

from __future__ import annotations

import json
import sys

from seqline_plugins.discovery import GROUPS, installed, obvious, origin_of, try_alone
from seqline_plugins.errors import UserError, nearest

COLUMNS = ("kind", "name", "target", "distribution", "version", "state")
DUPLICATE, NOT_CHECKED, GOOD = "duplicate", "not checked", "good"


def list_plugins(kind: str | None = None, *, check: bool = False, as_json: bool = False) -> bool:
    """Print every plugin of a kind, or of all; say whether none of them is known to be broken.

    `check` imports each in a process of its own. Raises `UserError` for an unknown kind.
    """
    if kind is not None and kind not in GROUPS:
        known = ", ".join(GROUPS)
        raise UserError(f"{kind}: no kind of plugin.{nearest(kind, GROUPS)} Known: {known}.")
    kinds = [one for one in reversed(GROUPS) if kind in (None, one)]
    rows = [row for one in kinds for row in _rows(one, check)]
    if as_json:
        print(json.dumps({"plugins": rows}, ensure_ascii=False))  # noqa: T201
    elif sys.stdout.isatty():
        _show(rows)
    else:
        for row in [dict(zip(COLUMNS, COLUMNS, strict=True)), *rows]:
            print("\t".join(row[column] for column in COLUMNS))  # noqa: T201
    return all(row["state"] in (NOT_CHECKED, GOOD) for row in rows)


def _show(rows: list[dict[str, str]]) -> None:
    """Print the rows as a table; targets where the width allows it; what is wrong stands below."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False, caption_justify="left")
    for column in ("kind", "name", "from"):
        table.add_column(column, no_wrap=True)
    console = Console()
    widest = [max(map(len, texts)) for texts in zip(*(_cells(row) for row in rows), strict=True)]
    shown = 4 if sum(widest) + 3 * len(widest) <= console.width else 3
    if shown == 4:
        table.add_column("target", no_wrap=True)
    broken = [row for row in rows if row["state"] not in (NOT_CHECKED, GOOD)]
    for row in rows:
        table.add_row(*_cells(row)[:shown], style="red" if row in broken else None)
    if any(row["state"] == NOT_CHECKED for row in rows):
        table.caption = f"{NOT_CHECKED}: read from metadata alone, nothing was imported"
    console.print(table)
    for row in broken:
        said = f"{row['kind']} {row['name']}: {row['state']}"
        console.print(said, style="red", markup=False, highlight=False)


def _cells(row: dict[str, str]) -> tuple[str, str, str, str]:
    twice = row["state"] == DUPLICATE
    name = f"{row['name']} ({DUPLICATE})" if twice else row["name"]
    return row["kind"], name, f"{row['distribution']} {row['version']}", row["target"]


def _rows(kind: str, check: bool) -> list[dict[str, str]]:
    rows = []
    for name, entries in installed(kind).items():
        for entry in entries:
            distribution, version = origin_of(entry.dist)
            state = DUPLICATE if len(entries) > 1 else obvious(entry) or NOT_CHECKED
            if check and state == NOT_CHECKED:
                state = try_alone(kind, entry) or GOOD
            values = (kind, name, entry.value, distribution, version, state)
            rows.append(dict(zip(COLUMNS, values, strict=True)))
    return rows

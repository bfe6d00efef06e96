"""`seqline plugins list`: what is installed, from metadata alone unless it is to be checked."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from seqline_plugins.discovery import GROUPS, installed, obvious, origin_of, try_alone
from seqline_plugins.errors import UserError, nearest

if TYPE_CHECKING:
    from rich.table import Table

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
    return not any(map(_is_broken, rows))


def _show(rows: list[dict[str, str]]) -> None:
    """Print the rows as a table; targets where the width allows it; what is wrong stands below."""
    from rich.console import Console

    from seqline.tables import has_room

    console, whole = Console(), _table(rows, ("kind", "name", "from", "target"))
    fits = has_room(whole, console)
    console.print(whole if fits else _table(rows, ("kind", "name", "from")))
    for row in filter(_is_broken, rows):
        said = f"{row['kind']} {row['name']}: {row['state']}"
        console.print(said, style="red", markup=False, highlight=False)


def _table(rows: list[dict[str, str]], columns: tuple[str, ...]) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False, caption_justify="left")
    for column in columns:
        table.add_column(column, no_wrap=True)
    for row in rows:
        twice = row["state"] == DUPLICATE
        name = f"{row['name']} ({DUPLICATE})" if twice else row["name"]
        cells = (row["kind"], name, f"{row['distribution']} {row['version']}", row["target"])
        table.add_row(*cells[: len(columns)], style="red" if _is_broken(row) else None)
    if any(row["state"] == NOT_CHECKED for row in rows):
        table.caption = f"{NOT_CHECKED}: read from metadata alone, nothing was imported"
    return table


def _is_broken(row: dict[str, str]) -> bool:
    return row["state"] not in (NOT_CHECKED, GOOD)


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

"""`seqline clean`: what the home holds, and freeing what no run needs."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from seqline.home import Home, home_path, open_home, quiet_environment
from seqline.runs.holdings import Holding, free, holdings
from seqline.runs.record import RunRecord
from seqline_plugins.errors import UserError

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

UNITS = ("B", "kB", "MB", "GB", "TB")


def clean(*, yes: bool, reusable: bool, as_json: bool) -> None:
    """Show the home's folders by kind and free those that no run needs, when told so.

    `reusable` also frees the stages that finished runs keep only to be used again; their exports
    stay. Without a terminal and without `yes` nothing is freed.
    """
    if not home_path().is_dir():
        raise UserError(f"{home_path()}: there is no such folder, so nothing to clean.")
    quiet_environment()
    home = open_home()
    deleted = _deleted_in_mlflow(home)
    found = holdings(home, reusable=reusable, deleted=deleted)
    going = [one for one in found if one.free]
    if not as_json:
        _show(home, found)
    freed: list[Holding] = []
    if going and (yes or (not as_json and _agreed(going))):

        def needed(path: Path) -> bool:
            now = holdings(home, reusable=reusable, deleted=deleted)
            return any(one.path == path and not one.free for one in now)

        freed = [one for one in going if free(home, one, needed)]
    total = sum(one.bytes for one in freed)
    if as_json:
        listed = [
            {"path": str(o.path), "kind": o.kind, "bytes": o.bytes, "needed_by": list(o.needed_by)}
            for o in found
        ]
        names = [str(one.path) for one in freed]
        print(json.dumps({"holdings": listed, "freed": names, "bytes": total}))  # noqa: T201
    elif freed:
        print(f"freed {size(total)} in {len(freed)} folders.")  # noqa: T201
    elif going:
        print("nothing freed; `seqline clean --yes` frees it.")  # noqa: T201
    else:
        print("everything here is needed by a run; nothing to free.")  # noqa: T201


def size(count: float) -> str:
    """Return a number of bytes for reading: "12.3 MB"."""
    for unit in UNITS[:-1]:
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} {UNITS[-1]}"


def _show(home: Home, found: Sequence[Holding]) -> None:
    console = Console(highlight=False)
    table = Table(box=None, pad_edge=False)
    for name in (str(home.path), "folders", "holds", "no run needs"):
        table.add_column(name, justify="left" if name == str(home.path) else "right")
    for kind in sorted({one.kind for one in found}):
        of_kind = [one for one in found if one.kind == kind]
        going = sum(one.bytes for one in of_kind if one.free)
        total = sum(one.bytes for one in of_kind)
        table.add_row(kind, str(len(of_kind)), size(total), size(going) if going else "")
    console.print(table)
    for one in found:
        if one.free:
            line = f"  {one.path.relative_to(home.path)}  {size(one.bytes)}  {one.why}"
            console.print(line, soft_wrap=True)


def _agreed(going: Sequence[Holding]) -> bool:
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return False
    total = size(sum(one.bytes for one in going))
    return input(f"free {total} in {len(going)} folders? [y/N] ").strip().lower() in ("y", "yes")


def _deleted_in_mlflow(home: Home) -> Callable[[RunRecord], bool]:
    """Return whether a finished run was deleted; the store is opened when it is first asked."""
    known: dict[str, bool] = {}

    @cache
    def client() -> MlflowClient:
        from seqline.tracking.settle import settle_tracking
        from seqline.tracking.store import open_store

        opened = open_store(home)
        settle_tracking(home, opened)
        return opened

    def deleted(record: RunRecord) -> bool:
        if record.run_id is None:
            return False
        if record.run_id not in known:
            from mlflow.exceptions import MlflowException

            if record.tracking != home.tracking_name:
                return False
            try:
                run = client().get_run(record.run_id)
                known[record.run_id] = run.info.lifecycle_stage == "deleted"
            except MlflowException as error:
                known[record.run_id] = error.error_code == "RESOURCE_DOES_NOT_EXIST"
        return known[record.run_id]

    return deleted

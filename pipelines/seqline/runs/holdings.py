"""What a home holds, which run needs it, and freeing what none does."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from filelock import Timeout

from seqline.home import Home
from seqline.runs.attempt import lock_of
from seqline.runs.record import KEY, RunRecord, keys, load, remove
from seqline.stages.folder import SHOWN, lock_of_stage
from seqline.sweep import record as sweep_records
from seqline_plugins.errors import UserError

ESSENTIAL = ("export",)
"""The stages of a finished run that are its result; the others are kept to be used again."""


@dataclass(frozen=True)
class Holding:
    """A folder of the home: its size in bytes, the runs that need it, why it may go or not.

    `kind` is a stage's name, "checkpoints", "record", "sweep", "leftover", or "mlflow" and
    "prefect" for what those keep, a database among it, which is theirs to free.
    """

    path: Path
    kind: str
    bytes: int
    needed_by: tuple[str, ...]
    why: str

    @property
    def free(self) -> bool:
        """Whether no run needs it."""
        return not self.needed_by


def holdings(
    home: Home, *, reusable: bool = False, deleted: Callable[[RunRecord], bool] = lambda _: False
) -> list[Holding]:
    """Return what the home holds, the largest first.

    A run that is not finished needs all that it has; a finished one its stages, with `reusable`
    its export alone. A run that is `deleted` in MLflow needs nothing. A record that cannot be
    read counts as needing its checkpoints. A sweep is needed until it is finished, and then by
    those of its runs that are there.
    """
    records, unread = _read(home)
    gone = {one.key for one in records if one.status == "finished" and deleted(one)}
    found = [
        *_stages(home, [one for one in records if one.key not in gone], reusable),
        *_checkpoints(home, records, unread),
        *_records(home, records, gone),
        *_sweeps(home, [one for one in records if one.key not in gone], bool(unread)),
        *_services(home),
    ]
    return sorted(found, key=lambda one: -one.bytes)


def free(home: Home, holding: Holding, needed: Callable[[Path], bool]) -> bool:
    """Remove a folder that no run needs, under its lock; say whether it went.

    One that a run has come to need meanwhile, as `needed` says under the lock, stays.
    """
    path = holding.path
    if path.parent == home.runs:
        return _forget(home, path.name)
    if path.parent == home.sweeps:
        return _forget_sweep(home, path, needed)
    if path.parent == home.checkpoints and KEY.fullmatch(path.name):
        lock = lock_of(home, path.name) if (home.runs / path.name).is_dir() else None
    else:
        lock = lock_of_stage(home, _stage_of(path.name)) if path.parent == home.stages else None
    try:
        if lock is not None:
            lock.acquire(timeout=0)
    except Timeout:
        return False
    try:
        if not path.is_dir():  # it went with its run's record
            return True
        if needed(path):
            return False
        if not path.name.startswith("."):  # whole or not there, also if we are killed
            path = path.rename(path.with_name(f".partial-{path.name}-freed"))
        shutil.rmtree(path)
    finally:
        if lock is not None:
            lock.release()
    return True


def _forget(home: Home, key: str) -> bool:
    lock = lock_of(home, key)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return False
    try:
        remove(home, key)
    finally:
        lock.release()
    return True


def _forget_sweep(home: Home, path: Path, needed: Callable[[Path], bool]) -> bool:
    lock = sweep_records.lock_of(home, path.name)
    with sweep_records.one_at_a_time(home):  # nobody begins or continues it meanwhile
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return False
        try:
            if needed(path):
                return False
            shutil.rmtree(path)
        finally:
            lock.release()
    return True


def _read(home: Home) -> tuple[list[RunRecord], list[str]]:
    records, unread = [], []
    for key in keys(home):
        try:
            records.append(load(home, key))
        except UserError:
            unread.append(key)
    return records, unread


def _stages(home: Home, records: list[RunRecord], reusable: bool) -> Iterator[Holding]:
    for path in _folders(home.stages):
        name = _stage_of(path.name)
        if path.name.startswith("."):
            yield Holding(path, "leftover", _size(path), (), "left by a kill, or set aside")
            continue
        kind = name.rsplit("-", 1)[0]
        users = [one for one in records if f"{kind}-{one.stages.get(kind, '')[:SHOWN]}" == name]
        waiting = [one.name for one in users if one.status != "finished"]
        finished = [one.name for one in users if one.status == "finished"]
        kept = finished if not reusable or kind in ESSENTIAL else []
        why = f"{len(waiting)} unfinished and {len(finished)} finished runs" if users else "no run"
        yield Holding(path, kind, _size(path), (*waiting, *kept), why)


def _checkpoints(home: Home, records: list[RunRecord], unread: list[str]) -> Iterator[Holding]:
    names = {one.key: one.name for one in records if one.status != "finished"}
    names |= {key: key for key in unread}
    for path in _folders(home.checkpoints):
        by = names.get(path.name)
        why = "an unfinished run" if by else "no unfinished run"
        yield Holding(path, "checkpoints", _size(path), (by,) if by else (), why)


def _records(home: Home, records: list[RunRecord], gone: set[str]) -> Iterator[Holding]:
    for one in records:
        path = home.runs / one.key
        by = () if one.key in gone else (one.name,)
        why = "deleted in MLflow" if one.key in gone else f"its run is {one.status}"
        yield Holding(path, "record", _size(path), by, why)


def _sweeps(home: Home, records: list[RunRecord], some_unread: bool) -> Iterator[Holding]:
    for path in _folders(home.sweeps):
        if not sweep_records.KEY.fullmatch(path.name):
            continue
        size = _size(path)
        if not (path / "sweep.json").is_file():
            yield Holding(path, "leftover", size, (), "left by a kill")
            continue
        try:
            status = sweep_records.load(home, path.name).status
        except UserError:
            yield Holding(path, "sweep", size, (path.name,), "its record cannot be read")
            continue
        by = tuple(one.name for one in records if one.sweep == path.name)
        why = f"{status}, {len(by)} runs" if by else f"{status}, no run left"
        if status != "finished" or some_unread:  # one that cannot be read may be of it
            by = (path.name, *by)
        yield Holding(path, "sweep", size, by, why)


def _services(home: Home) -> Iterator[Holding]:
    kept = {"mlflow": (home.artifacts, home.database), "prefect": (home.prefect,)}
    for kind, paths in kept.items():
        there = [path for path in paths if path.exists()]
        if there:
            size = sum(_size(path) for path in there)
            yield Holding(there[0], kind, size, (kind,), "its own to free")


def _stage_of(folder: str) -> str:
    """Return the name of the stage's folder that a folder is, or is left of."""
    if not folder.startswith("."):
        return folder
    parts = folder.split("-")
    return "-".join(parts[1:3])


def _folders(parent: Path) -> list[Path]:
    return sorted(path for path in parent.iterdir() if path.is_dir()) if parent.is_dir() else []


def _size(folder: Path) -> int:
    total = folder.lstat().st_size if folder.is_file() else 0
    for place, _, files in os.walk(folder):
        for name in files:
            try:
                total += (Path(place) / name).lstat().st_size
            except OSError:
                continue  # it went meanwhile
    return total

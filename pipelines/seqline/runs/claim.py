"""Which run a command is: a new one, or an interrupted one that it continues."""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from filelock import BaseFileLock, FileLock, Timeout

from seqline.config.compose import check
from seqline.digest import digest_of
from seqline.home import Home
from seqline.reporter import Reporter
from seqline.runs.attempt import Attempt, lock_of, take
from seqline.runs.changes import changed_code, code_of, data_changed
from seqline.runs.record import RunRecord, keys, load, place_of, records
from seqline_plugins.errors import UserError, nearest


@dataclass(frozen=True)
class InSweep:
    """The place of a run in a sweep: its key, its run in MLflow, the child's name."""

    sweep: str
    parent: str
    title: str


def claim(
    config: Mapping[str, Any],
    home: Home,
    reporter: Reporter,
    *,
    fresh: bool = False,
    overrides: Sequence[str] = (),
    child: InSweep | None = None,
    apart: str | None = None,
) -> Attempt:
    """Return the attempt that this command is: at its interrupted twin, or at a new run.

    A twin has the same configuration and tracking store, and is in the same sweep. One
    whose plugins or data have changed since is let be, and so are all with `fresh`.
    A run that is to have no twins is named by what sets it `apart`. Raises `UserError` for a twin
    that is running.
    """
    identity = identity_of(config, home, child.sweep if child is not None else apart)
    with _one_at_a_time(home):
        twins = [one for one in records(home, unfinished=True) if one.identity == identity]
        for twin in sorted(twins, key=_age, reverse=True):
            attempt = take(home, twin.key)
            if fresh or attempt.record.status == "finished" or not _fits(attempt.record, reporter):
                attempt.let_be()
                continue
            return _continued(attempt, reporter)
        record = RunRecord(
            key=uuid.uuid4().hex[:12],
            identity=identity,
            config=dict(config),
            overrides=list(overrides),
            fresh=fresh,
            folder=os.getcwd(),  # noqa: PTH109
            tracking=home.tracking_name,
            status="running",
            code=code_of(config),
            **(asdict(child) if child is not None else {}),
        )
        place_of(home, record.key).mkdir(parents=True)
        lock = lock_of(home, record.key)
        lock.acquire(timeout=0)
        attempt = Attempt(home, record, lock)
        attempt.begin()
        return attempt


def identity_of(config: Mapping[str, Any], home: Home, apart: str | None = None) -> str:
    """Return what a run has in common with its twins; a sweep's key sets its children apart."""
    more = {"apart": apart} if apart is not None else {}
    return digest_of({"config": config, "tracking": home.tracking_name, **more})


def reclaim(
    home: Home, name: str | None, reporter: Reporter, *, allow_changed_plugins: bool = False
) -> Attempt | RunRecord | None:
    """Return the attempt that continues a run: the one named, or the newest interrupted one.

    Returns the record of one that is finished already, None when there is nothing to continue.
    Raises `UserError` for an unknown run, a running one, one whose plugins or data have changed.
    """
    with _one_at_a_time(home):
        record = find(home, name) if name is not None else _newest(home)
        if record is None or record.status == "finished":
            return record
        attempt = take(home, record.key)
        record = attempt.record
        try:
            if record.status == "finished":
                attempt.let_be()
                return record
            _check_store(record, home)
            if os.path.isdir(record.folder):  # noqa: PTH112
                os.chdir(record.folder)  # paths in the configuration are relative to it
            check(record.config)
            _refuse_changes(record, allow_changed_plugins)
        except BaseException:
            attempt.let_be()
            raise
        if allow_changed_plugins:
            attempt.note(code=code_of(record.config))
        return _continued(attempt, reporter)


def find(home: Home, name: str) -> RunRecord:
    """Return the record of a run by its id in MLflow or its key, whole or the first letters.

    Raises `UserError` for a name that none has, or several.
    """
    if name in keys(home):
        return load(home, name)
    known = list(records(home))
    found = [one for one in known if name in (one.run_id, one.key)]
    if not found and len(name) >= 4:
        found = [one for one in known if one.name.startswith(name) or one.key.startswith(name)]
    if len(found) == 1:
        return found[0]
    if found:
        raise UserError(f"{name}: {len(found)} runs begin so: {_listed(found)}.")
    near = nearest(name, [one.name for one in known])
    open_ones = [one for one in known if one.status != "finished"]
    listed = f" Not finished: {_listed(open_ones)}." if open_ones else ""
    raise UserError(f"{name}: there is no such run in {home.path}.{near}{listed}")


def _one_at_a_time(home: Home) -> FileLock:
    """Of two commands that start together one looks first, and the other finds it there."""
    home.locks.mkdir(parents=True, exist_ok=True)
    return FileLock(home.locks / "claim.lock")


def _continued(attempt: Attempt, reporter: Reporter) -> Attempt:
    before = attempt.record.status
    attempt.begin()
    how = {"running": "killed"}.get(before, before)
    reporter.say(f"continuing run {attempt.record.name} (attempt {attempt.number}; it was {how})")
    return attempt


def _fits(record: RunRecord, reporter: Reporter) -> bool:
    """Say whether an interrupted twin can be continued; tell the person why not."""
    changed = changed_code(record)
    what = f"{', '.join(changed)} changed" if changed else ""
    if not changed and data_changed(record):
        what = "the data changed"
    if what:
        reporter.say(f"the unfinished run {record.name} is not continued: {what} since.")
    return not what


def _refuse_changes(record: RunRecord, allow_changed_plugins: bool) -> None:
    if data_changed(record):
        raise UserError(
            f"run {record.name}: the data changed since it read them. Bring them back, or start a "
            "new run from the data of now: the same `seqline run` again."
        )
    changed = changed_code(record)
    if changed and not allow_changed_plugins:
        now = code_of(record.config)
        sources = ", ".join(
            f"{name} ({record.code[name][:12]}, now {now.get(name, 'none')[:12]})"
            for name in changed
        )
        raise UserError(
            f"run {record.name}: {sources} changed since it began. Bring the source "
            "back, start a new run with the same `seqline run` again, or go on with it as it is: "
            "`seqline resume --allow-changed-plugins` (no undisturbed run gives the same result)."
        )


def _check_store(record: RunRecord, home: Home) -> None:
    if record.tracking != home.tracking_name:
        wanted = (
            "unset MLFLOW_TRACKING_URI"
            if record.tracking == "home"
            else f"set MLFLOW_TRACKING_URI={record.tracking}"
        )
        raise UserError(
            f"run {record.name} is tracked in {record.tracking}, not in {home.tracking_name}; "
            f"{wanted}."
        )


def _newest(home: Home) -> RunRecord | None:
    """Return the newest run that is not finished and that nobody is at, None if there is none."""
    waiting = [one for one in records(home, unfinished=True) if one.status != "finished"]
    for record in sorted(waiting, key=_age, reverse=True):
        lock = lock_of(home, record.key)
        if record.status != "running" or not _is_held(lock):
            return record
    return None


def _is_held(lock: BaseFileLock) -> bool:
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    lock.release()
    return False


def _age(record: RunRecord) -> float:
    return float(record.attempts[-1]["started"]) if record.attempts else 0.0


def _listed(found: Sequence[RunRecord]) -> str:
    return ", ".join(f"{one.name} ({one.status})" for one in found)

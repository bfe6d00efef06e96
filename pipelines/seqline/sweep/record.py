"""The record of a sweep: a file in the home that outlives the process; its children are runs."""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from filelock import BaseFileLock, FileLock, Timeout

from seqline.digest import digest_of
from seqline.durable import write_whole
from seqline.home import Home
from seqline.runs.record import RunRecord, records
from seqline_plugins.errors import UserError

FORMAT = 1
KEY = re.compile("[0-9a-f]{12}")


@dataclass
class SweepRecord:
    """What is known of a sweep.

    identity   the digest of what was asked for; the same command again has the same
    overrides  those given, the sweep's own keys among them
    added      overrides that every child gets beside
    sizes      the hidden size of children, by what tells their models apart
    made_of    source hashes and data digests, by name
    parents    its run in MLflow, by experiment
    """

    key: str
    identity: str
    overrides: list[str]
    added: list[str]
    sizes: dict[str, int]
    made_of: dict[str, str]
    folder: str
    tracking: str
    status: str = "running"
    parents: dict[str, str] = field(default_factory=dict)
    attempts: list[dict[str, Any]] = field(default_factory=list)
    unmarked: dict[str, str] = field(default_factory=dict)

    @property
    def tag(self) -> str:
        """The tag of its flow runs in Prefect."""
        return f"seqline-sweep:{self.key}"


class SweepAttempt:
    """The process's own hold on a sweep; it ends with the process."""

    def __init__(self, home: Home, record: SweepRecord, lock: BaseFileLock) -> None:
        self.home, self.record, self._lock = home, record, lock

    @property
    def folder(self) -> Path:
        """Where the sweep keeps what belongs to it alone."""
        return place_of(self.home, self.record.key)

    def note(self, **changes: Any) -> None:
        """Change fields of the record and write it."""
        for name, value in changes.items():
            setattr(self.record, name, value)
        save(self.home, self.record)

    def begin(self) -> None:
        """Note that this process is at it."""
        this = {"host": socket.gethostname(), "pid": os.getpid(), "started": int(time.time())}
        attempts = [*self.record.attempts, this]
        unmarked = {"mlflow": "KILLED", "prefect": "CRASHED"}
        self.note(status="running", attempts=attempts, unmarked=unmarked)

    def note_flow_run(self, flow_run: str) -> None:
        """Note the attempt's flow run in Prefect."""
        *before, this = self.record.attempts
        self.note(attempts=[*before, {**this, "flow_run": flow_run}])

    def marked(self, *where: str) -> None:
        """Note that MLflow or Prefect knows how the attempt ended."""
        left = {key: value for key, value in self.record.unmarked.items() if key not in where}
        self.note(unmarked=left)

    def children(self) -> dict[str, RunRecord]:
        """Return the newest record of every child that has one, by its identity."""
        own = (one for one in records(self.home) if one.sweep == self.record.key)
        return {one.identity: one for one in sorted(own, key=_age)}

    @contextlib.contextmanager
    def held(self) -> Iterator[SweepAttempt]:
        """Hold the sweep for as long as the block lasts; an error leaves it to be continued."""
        try:
            yield self
        except BaseException:
            with contextlib.suppress(OSError):
                self.note(status="interrupted")
            raise
        finally:
            self._lock.release()


def claim_sweep(
    home: Home,
    overrides: Sequence[str],
    asked: Mapping[str, Any],
    made_of: Mapping[str, str],
    tracking: str,
    *,
    fresh: bool,
    say: Any,
) -> SweepAttempt | SweepRecord:
    """Return the attempt that a command is: at the sweep that it began before, or at a new one.

    Returns the record of one that is finished. One whose plugins or data have changed since is
    let be, saying so. Raises `UserError` for a sweep that is running.
    """
    folder = os.getcwd()  # noqa: PTH109
    identity = digest_of({"asked": asked, "tracking": tracking, "folder": folder})
    with one_at_a_time(home):
        for twin in sorted(sweeps(home), key=_age, reverse=True):
            if twin.identity != identity:
                continue
            lock = _take(home, twin)
            attempt = SweepAttempt(home, load(home, twin.key), lock)
            if not fresh and not _changed(attempt.record, made_of, say):
                if attempt.record.status == "finished":
                    lock.release()
                    return attempt.record
                return attempt
            lock.release()
        key = uuid.uuid4().hex[:12]
        place_of(home, key).mkdir(parents=True)
        lock = lock_of(home, key)
        lock.acquire(timeout=0)
        record = SweepRecord(
            key, identity, list(overrides), [], {}, dict(made_of), folder, tracking
        )
        return SweepAttempt(home, record, lock)


def _take(home: Home, record: SweepRecord) -> BaseFileLock:
    lock = lock_of(home, record.key)
    try:
        lock.acquire(timeout=1.0)
    except Timeout:
        at = load(home, record.key).attempts[-1]
        since = time.strftime("%H:%M:%S", time.localtime(at["started"]))
        raise UserError(
            f"sweep {record.key} is under way already: process {at['pid']}, since {since}. Wait "
            "for it or end it."
        ) from None
    return lock


def _changed(record: SweepRecord, now: Mapping[str, str], say: Any) -> bool:
    changed = [name for name, digest in record.made_of.items() if now.get(name) != digest]
    if changed:
        what = ", ".join(changed)
        say(f"the sweep {record.key} is not continued: {what} changed since. A new one begins.")
    return bool(changed)


def one_at_a_time(home: Home) -> FileLock:
    """Return the lock under which sweeps are begun, continued and freed."""
    home.locks.mkdir(parents=True, exist_ok=True)
    return FileLock(home.locks / "claim-sweep.lock")


def place_of(home: Home, key: str) -> Path:
    """Return the folder of a sweep."""
    return home.sweeps / key


def lock_of(home: Home, key: str) -> BaseFileLock:
    """Return the lock of a sweep, not yet taken."""
    return FileLock(place_of(home, key) / "lock")


def save(home: Home, record: SweepRecord) -> None:
    """Write a record, whole or not at all."""
    text = json.dumps({"format": FORMAT, "record": asdict(record)}, indent=1, ensure_ascii=False)
    write_whole(place_of(home, record.key) / "sweep.json", text + "\n")


def load(home: Home, key: str) -> SweepRecord:
    """Read a record; raises `UserError` for one that is not there, damaged or newer."""
    path = place_of(home, key) / "sweep.json"
    try:
        written = json.loads(path.read_text(encoding="utf-8"))
        if written["format"] != FORMAT:
            raise UserError(f"{path}: written by a newer seqline, which can continue it.")
        return SweepRecord(**written["record"])
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise UserError(f"{path}: the sweep's record cannot be read ({error}).") from error


def sweeps(home: Home) -> Iterator[SweepRecord]:
    """Yield the records of a home that can be read."""
    if not home.sweeps.is_dir():
        return
    for entry in sorted(os.scandir(home.sweeps), key=lambda one: one.name):
        if KEY.fullmatch(entry.name):
            with contextlib.suppress(UserError):
                yield load(home, entry.name)


def _age(record: SweepRecord | RunRecord) -> float:
    return float(record.attempts[-1]["started"]) if record.attempts else 0.0

"""One attempt at a run: the record held by a lock that ends with its process."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from filelock import BaseFileLock, FileLock, Timeout

from seqline.home import Home
from seqline.runs.points import PointLog
from seqline.runs.record import RunRecord, load, place_of, remove, save
from seqline_plugins.errors import UserError

MOMENT = 0.5
"""Seconds in which a lock held by who only marks a run is free again."""
MARKING = 60.0
"""Seconds that marking a run, at a server that is slow, may take."""


class Attempt:
    """The process's own hold on a run; `note` changes its record."""

    def __init__(self, home: Home, record: RunRecord, lock: BaseFileLock) -> None:
        self.home, self.record = home, record
        self._lock, self._changing = lock, threading.Lock()
        self.points = PointLog(place_of(home, record.key) / "points.jsonl")

    @property
    def number(self) -> int:
        """Which attempt this is, the first being 1."""
        return len(self.record.attempts)

    @property
    def began(self) -> bool:
        """Whether the run has come to anything that is worth going on from."""
        return self.number > 1 or self.record.run_id is not None or bool(self.record.stages)

    @property
    def checkpoints(self) -> Path:
        """The folder of the run's checkpoints."""
        return self.home.checkpoints / self.record.key

    def begin(self) -> None:
        """Note that this process is at it."""
        this = {"host": socket.gethostname(), "pid": os.getpid(), "started": int(time.time())}
        self.note(
            status="running",
            attempts=[*self.record.attempts, this],
            unmarked={"mlflow": "KILLED", "prefect": "CRASHED"},
        )

    def note(self, **changes: Any) -> None:
        """Change fields of the record and write it."""
        with self._changing:
            for name, value in changes.items():
                setattr(self.record, name, value)
            save(self.home, self.record)

    def note_stage(self, name: str, digest: str) -> None:
        """Note that a stage is finished."""
        if self.record.stages.get(name) != digest:
            self.note(stages={**self.record.stages, name: digest})

    def note_flow_run(self, flow_run: str) -> None:
        """Note the attempt's flow run in Prefect."""
        *before, this = self.record.attempts
        self.note(attempts=[*before, {**this, "flow_run": flow_run}])

    def marked(self, where: str) -> None:
        """Note that MLflow or Prefect knows how the attempt ended."""
        left = {key: value for key, value in self.record.unmarked.items() if key != where}
        self.note(unmarked=left)

    def let_be(self) -> None:
        """Let go of a run that was only looked at."""
        self.points.close()
        self._lock.release()

    @contextlib.contextmanager
    def held(self) -> Iterator[Attempt]:
        """Hold the run for as long as the block lasts, then note how it ended.

        What was refused before it began leaves no record.
        """
        try:
            yield self
        except BaseException as error:
            self._end("failed" if isinstance(error, Exception) else "interrupted", error)
            raise
        else:
            self._end("finished", None)
        finally:
            self.let_be()

    def _end(self, status: str, error: BaseException | None) -> None:
        if error is not None and not self.began:
            remove(self.home, self.record.key)
            return
        if self.record.status == "finished":  # what came after it does not undo it
            status = "finished"
        with contextlib.suppress(OSError):  # a full disk: found by its lock, which is free then
            self.note(status=status)
            if status == "finished":
                self.marked("prefect")


def lock_of(home: Home, key: str) -> BaseFileLock:
    """Return the lock of a run, not yet taken."""
    return FileLock(place_of(home, key) / "lock")


def take(home: Home, key: str) -> Attempt:
    """Take hold of a run that nobody else holds.

    Raises `UserError`, naming the process, for one that is running.
    """
    lock = lock_of(home, key)
    end = time.monotonic() + MARKING
    while True:
        try:
            lock.acquire(timeout=MOMENT)
        except Timeout:
            holder = load(home, key)
            if holder.status == "running" or time.monotonic() > end:
                raise UserError(running(holder)) from None
        else:
            break
    try:
        return Attempt(home, load(home, key), lock)
    except BaseException:
        lock.release()
        raise


def running(record: RunRecord) -> str:
    """Say who is at a run."""
    at = record.attempts[-1]
    since = time.strftime("%H:%M:%S", time.localtime(at["started"]))
    where = "" if at["host"] == socket.gethostname() else f" on {at['host']}"
    return (
        f"run {record.name} is under way already: process {at['pid']}{where}, since {since}. Wait "
        "for it or end it; a run of its own needs another seed or tracking.run_name."
    )

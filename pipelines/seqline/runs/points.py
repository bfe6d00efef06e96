"""The log of a run's figures: every point is on this disk before it is sent anywhere."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class LoggedPoint:
    """A figure after `step` updates, at a time in milliseconds since 1970."""

    key: str
    value: float
    timestamp_ms: int
    step: int


class PointLog:
    """An append-only file of points; a figure has one value a step, the first that was logged.

    A training that goes on from a checkpoint measures some steps again: these are here already,
    with the times at which they were first sent, and are not taken twice.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self.points: list[LoggedPoint] = []
        self._times: dict[tuple[int, str], int] = {}
        self._read()
        self._stream = path.open("ab")

    def add(self, step: int, timestamp_ms: int, metrics: Mapping[str, float]) -> None:
        """Log figures, those left out that the log has for this step."""
        with self._lock:
            new = {key: value for key, value in metrics.items() if (step, key) not in self._times}
            if not new:
                return
            line = json.dumps({"step": step, "timestamp_ms": timestamp_ms, "metrics": new})
            self._stream.write(line.encode() + b"\n")
            self._stream.flush()
            self._take(step, timestamp_ms, new)

    def time_of(self, step: int, keys: Iterable[str]) -> int | None:
        """Return when one of the figures was logged for a step, None if it was not."""
        times = (self._times.get((step, key)) for key in keys)
        return next((time for time in times if time is not None), None)

    def sync(self) -> None:
        """Have all that was logged written to the disk."""
        os.fsync(self._stream.fileno())

    def close(self) -> None:
        """Close the file; points are no longer taken."""
        self._stream.close()

    def _take(self, step: int, timestamp_ms: int, metrics: Mapping[str, float]) -> None:
        for key, value in metrics.items():
            self._times[step, key] = timestamp_ms
            self.points.append(LoggedPoint(key, value, timestamp_ms, step))

    def _read(self) -> None:
        """Read what is whole; a line torn at the end, by a kill or a full disk, is cut off."""
        if not self._path.is_file():
            return
        whole = 0
        with self._path.open("rb") as stream:
            for line in stream:
                if not line.endswith(b"\n"):
                    break
                whole += len(line)
                try:
                    point = json.loads(line)
                    self._take(point["step"], point["timestamp_ms"], point["metrics"])
                except (ValueError, TypeError, KeyError, AttributeError):
                    continue  # altered: what it said is measured again or not at all
        if whole < self._path.stat().st_size:
            os.truncate(self._path, whole)

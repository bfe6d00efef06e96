"""The tracking store kept off the run's path: opened, and sent to, by a thread of its own.

Importing MLflow and opening its database take seconds, and a store may be slow or away; none of
that holds up the training.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from seqline.home import Home

if TYPE_CHECKING:
    from mlflow.entities import Metric

    from seqline.tracking.run import TrackedRun

MOST = 1000
"""Metrics in one request, MLflow's own limit."""
Point = tuple[int, int, dict[str, float]]


class Tracking:
    """A run that is being opened in the store, and the metrics on their way to it."""

    def __init__(self, config: Mapping[str, Any], home: Home) -> None:
        self._config, self._home = config, home
        self._run: TrackedRun | None = None
        self._failure: BaseException | None = None
        self._trouble: Exception | None = None
        self._unsent: list[Metric] = []
        self._opened = threading.Event()
        self._queue: queue.SimpleQueue[Point | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="seqline-tracking", daemon=True)
        self._thread.start()

    def run(self) -> TrackedRun:
        """Wait until the run is open and return it; raises what kept it from opening."""
        self._opened.wait()
        if self._failure is not None:
            raise self._failure
        assert self._run is not None
        return self._run

    def put(self, step: int, timestamp_ms: int, metrics: dict[str, float]) -> None:
        """Take figures after `step` updates; returns at once."""
        self._queue.put((step, timestamp_ms, metrics))

    def end(self, status: str, failure: str | None = None) -> list[str]:
        """Send what is left and end the run as FINISHED, FAILED or KILLED.

        Returns warnings about what could not be sent; does nothing if the run was never opened.
        """
        self._queue.put(None)
        self._thread.join(timeout=30)
        if self._run is None:
            return []
        self._send()
        self._run.end(status, failure)
        if not self._unsent:
            return []
        return [f"{len(self._unsent)} metrics could not be sent to the store ({self._trouble})."]

    def _work(self) -> None:
        try:
            from seqline.tracking.run import TrackedRun

            self._run = TrackedRun(self._config, self._home)
        except BaseException as error:  # raised where the run is waited for
            self._failure = error
            return
        finally:
            self._opened.set()
        while (point := self._queue.get()) is not None:
            self._take(point)
            if self._queue.empty():
                self._send()

    def _take(self, point: Point) -> None:
        from mlflow.entities import Metric

        step, timestamp_ms, metrics = point
        self._unsent += [Metric(key, value, timestamp_ms, step) for key, value in metrics.items()]

    def _send(self) -> None:
        assert self._run is not None
        try:
            while self._unsent:
                self._run.client.log_batch(self._run.run_id, metrics=self._unsent[:MOST])
                del self._unsent[:MOST]
        except Exception as error:  # the store's trouble must not end the training
            self._trouble = error

"""The tracking store kept off the run's path: opened, and sent to, by a thread of its own.

Importing MLflow and opening its database take seconds, and a store may be slow or away; none of
that holds up the training.
"""

from __future__ import annotations

import queue
import tempfile
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, TypeVar

from seqline.home import DISK_FULL, Home, is_disk_full
from seqline_plugins.errors import SeqlineError, ServiceError

if TYPE_CHECKING:
    from mlflow.entities import Metric
    from mlflow.tracking import MlflowClient

    from seqline.tracking.run import TrackedRun

MOST = 1000
"""Metrics in one request, MLflow's own limit."""
RESERVE = 1 << 18
"""Bytes set aside on the disk, so that on a full one the run can still be told to have failed."""
HURRY = 3.0
"""Seconds that an interrupted run waits for what is under way."""
T = TypeVar("T")


class Tracking:
    """The store of a run, and what is on its way there, in order.

    `begin` makes the run, with `tags`; `put` and `later` return at once; `end` waits for all.
    """

    def __init__(self, config: Mapping[str, Any], home: Home) -> None:
        self._config, self._home = config, home
        self.tags: dict[str, str] = {}
        self._client: MlflowClient | None = None
        self._run: TrackedRun | None = None
        self._failure: SeqlineError | None = None
        self._unsent: list[Metric] = []
        self._trouble: SeqlineError | None = None
        self._ended = False
        self._reserve = tempfile.TemporaryFile(dir=home.path)  # noqa: SIM115  (closed in `end`)
        self._reserve.write(bytes(RESERVE))
        self._reserve.flush()
        self._queue: queue.SimpleQueue[Callable[[], object] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="seqline-tracking", daemon=True)
        self._thread.start()

    def begin(self) -> Future[None]:
        """Make the run; the future raises `ServiceError` for a store that cannot be used."""
        return self._submit(self._begin)

    def later(self, action: Callable[[TrackedRun], T]) -> Future[T]:
        """Do something with the run, after all that was asked for before."""
        return self._submit(lambda: action(self._opened()))

    def put(self, step: int, timestamp_ms: int, metrics: dict[str, float]) -> None:
        """Take figures after `step` updates; returns at once."""
        self._queue.put(lambda: self._take(step, timestamp_ms, metrics))

    def end(self, status: str, failure: str | None = None, *, refused: bool = False) -> list[str]:
        """Send what is left and end the run as FINISHED, FAILED or KILLED.

        Returns warnings about figures that could not be sent. A run that failed before it began
        is made now, so that the store says why; not so one that was `refused` for the user's
        mistake. Raises `ServiceError` when a finished run could not be ended.
        """
        self._reserve.close()
        self._ended = status != "FINISHED"
        self._queue.put(None)
        self._thread.join(HURRY if self._ended else None)
        busy = self._thread.is_alive()
        try:
            if self._run is None and not (refused or busy):
                self._begin()
            if not busy:
                self._send()
            if self._run is not None:
                self._run.end(status, failure)
        except Exception as error:
            if status == "FINISHED":
                raise self._said(error) from error
        if not self._unsent:
            return []
        return [f"{len(self._unsent)} figures could not be sent to MLflow ({self._trouble})."]

    def _work(self) -> None:
        try:
            from seqline.tracking.store import open_store

            self._client = open_store(self._home)
        except Exception as error:  # raised where the run is asked for
            self._failure = self._said(error)
        while (task := self._queue.get()) is not None:
            task()
            if self._queue.empty():
                self._send()

    def _submit(self, action: Callable[[], T]) -> Future[T]:
        future: Future[T] = Future()

        def task() -> None:
            if self._ended:  # nobody waits for it any more
                future.cancel()
                return
            try:
                future.set_result(action())
            except Exception as error:
                future.set_exception(self._said(error))

        self._queue.put(task)
        return future

    def _begin(self) -> None:
        if self._failure is not None:
            raise self._failure
        from seqline.tracking.run import TrackedRun

        assert self._client is not None
        self._run = TrackedRun(self._client, self._config, self._home, self.tags)

    def _opened(self) -> TrackedRun:
        if self._run is None:
            raise self._failure or ServiceError("the run in MLflow was never begun.")
        return self._run

    def _take(self, step: int, timestamp_ms: int, metrics: Mapping[str, float]) -> None:
        from mlflow.entities import Metric

        self._unsent += [Metric(key, value, timestamp_ms, step) for key, value in metrics.items()]

    def _send(self) -> None:
        if self._run is None:
            return
        try:
            while self._unsent:
                self._run.client.log_batch(self._run.run_id, metrics=self._unsent[:MOST])
                del self._unsent[:MOST]
        except Exception as error:  # the store's trouble must not end the training
            self._trouble = self._said(error)

    def _said(self, error: Exception) -> SeqlineError:
        if isinstance(error, SeqlineError):
            return error
        uri = self._home.tracking_uri
        if is_disk_full(error):
            return ServiceError(DISK_FULL.format(place=f" while writing to {uri}"))
        first = next(iter(str(error).strip().splitlines()), type(error).__name__)
        return ServiceError(f"MLflow, {uri}: {first}")

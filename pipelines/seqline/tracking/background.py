"""The tracking store kept off the run's path: opened, and sent to, by a thread of its own.

Importing MLflow and opening its database take seconds, and a store may be slow or away; none of
that holds up the training. Figures are in the run's log before they are sent, and everything that
fails in a way that passes is tried again.
"""

from __future__ import annotations

import contextlib
import queue
import tempfile
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING, TypeVar

from seqline.home import DISK_FULL, is_disk_full
from seqline.reporter import Reporter, SilentReporter
from seqline.runs.attempt import Attempt
from seqline.runs.points import LoggedPoint
from seqline.services.trouble import patiently
from seqline_plugins.errors import SeqlineError, ServiceError

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

    from seqline.tracking.run import TrackedRun

MOST = 1000
"""Metrics in one request, MLflow's own limit."""
RESERVE = 1 << 18
"""Bytes set aside on the disk, so that on a full one the run can still be told to have failed."""
HURRY = 3.0
"""Seconds that an interrupted run waits for what is under way."""
AGAIN = 5.0
"""Seconds after which figures that could not be sent are sent again."""
T = TypeVar("T")


class Tracking:
    """The store of a run, and what is on its way there, in order.

    `begin` makes the run, or finds again the one that the attempt continues, with `tags`; `put`
    and `later` return at once; `end` waits for all.
    """

    def __init__(self, attempt: Attempt, reporter: Reporter | None = None) -> None:
        self._attempt, self._home = attempt, attempt.home
        self._reporter = reporter or SilentReporter()
        self.tags: dict[str, str] = {}
        self._client: MlflowClient | None = None
        self._run: TrackedRun | None = None
        self._failure: SeqlineError | None = None
        self._sent = 0
        self._refused: list[LoggedPoint] = []
        self._trouble: BaseException | None = None
        self._ended = threading.Event()
        self._reserve = tempfile.TemporaryFile(dir=self._home.path)  # noqa: SIM115  (see `end`)
        self._reserve.write(bytes(RESERVE))
        self._reserve.flush()
        self._queue: queue.SimpleQueue[Callable[[], object] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="seqline-tracking", daemon=True)
        self._thread.start()

    def begin(self) -> Future[None]:
        """Make the run; the future raises `ServiceError` for a store that cannot be used."""
        return self._submit(self._begin)

    def later(self, action: Callable[[TrackedRun], T]) -> Future[T]:
        """Do something with the run, after all that was asked for before.

        It may be done more than once, where the store goes away in the middle of it.
        """
        return self._submit(lambda: action(self._opened()))

    def put(self, step: int, timestamp_ms: int, metrics: dict[str, float]) -> None:
        """Take figures after `step` updates; returns when they are in the log."""
        self._attempt.points.add(step, timestamp_ms, metrics)
        self._queue.put(lambda: None)  # wakes the thread, which sends what is new

    def end(self, status: str, failure: str | None = None, *, refused: bool = False) -> list[str]:
        """Send what is left and end the run as FINISHED, FAILED or KILLED.

        Returns warnings about figures that the store refused. A run that failed before it began
        is made now, so that the store says why; not so one that was `refused` for the user's
        mistake. Raises `ServiceError` when a finished run could not be sent whole or ended.
        """
        self._reserve.close()
        if status != "FINISHED":
            self._ended.set()
        self._queue.put(None)
        self._thread.join(None if status == "FINISHED" else HURRY)
        busy = self._thread.is_alive()
        try:
            if self._run is None and not (refused or busy):
                self._begin()
            if not busy:
                self._patiently(self._send)
            run = self._run
            if run is not None:
                self._patiently(lambda: run.end(status, failure))
            if run is not None or not busy:
                self._attempt.marked("mlflow")
        except Exception as error:
            if status == "FINISHED":
                raise self._said(error) from error
            with contextlib.suppress(OSError):
                left = self._attempt.record.unmarked
                self._attempt.note(unmarked={**left, "mlflow": status})
        if not self._refused:
            return []
        return [f"{len(self._refused)} figures could not be sent to MLflow ({self._why()})."]

    def _work(self) -> None:
        try:
            from seqline.tracking.settle import settle_tracking
            from seqline.tracking.store import open_store

            self._client = self._patiently(lambda: open_store(self._home))
            settle_tracking(self._home, self._client)
        except Exception as error:  # raised where the run is asked for
            self._failure = self._said(error)
        while True:
            try:
                task = self._queue.get(timeout=AGAIN if self._unsent() else None)
            except queue.Empty:
                task = _nothing
            if task is None:
                return
            task()
            if self._queue.empty():
                self._try_to_send()

    def _submit(self, action: Callable[[], T]) -> Future[T]:
        future: Future[T] = Future()

        def task() -> None:
            if self._ended.is_set():  # nobody waits for it any more
                future.cancel()
                return
            try:
                future.set_result(self._patiently(action))
            except Exception as error:
                future.set_exception(self._said(error))

        self._queue.put(task)
        return future

    def _begin(self) -> None:
        if self._failure is not None:
            raise self._failure
        from seqline.tracking.run import TrackedRun

        assert self._client is not None
        self._run = TrackedRun(self._client, self._attempt, self.tags)

    def _opened(self) -> TrackedRun:
        if self._run is None:
            raise self._failure or ServiceError("the run in MLflow was never begun.")
        return self._run

    def _unsent(self) -> bool:
        return self._run is not None and self._sent < len(self._attempt.points.points)

    def _try_to_send(self) -> None:
        try:
            self._send()
        except Exception as error:  # the store's trouble must not end the training
            self._heard(error)

    def _send(self) -> None:
        """Send what the log holds beyond what was sent, the log on the disk first."""
        if not self._unsent():
            return
        self._attempt.points.sync()
        while points := self._attempt.points.points[self._sent : self._sent + MOST]:
            try:
                self._send_batch(points)
            except Exception as error:
                if not _refuses(error):
                    raise
                self._send_one_by_one(points)
            self._sent += len(points)

    def _send_batch(self, points: Sequence[LoggedPoint]) -> None:
        from mlflow.entities import Metric

        run = self._opened()
        metrics = [Metric(p.key, p.value, p.timestamp_ms, p.step) for p in points]
        run.client.log_batch(run.run_id, metrics=metrics)

    def _send_one_by_one(self, points: Sequence[LoggedPoint]) -> None:
        """Find the points that the store refuses; the others must not be lost with them."""
        refused: list[LoggedPoint] = []
        for point in points:
            try:
                self._send_batch([point])
            except Exception as error:
                if not _refuses(error):
                    raise
                self._trouble = error
                refused.append(point)
        self._refused += refused

    def _patiently(self, action: Callable[[], T]) -> T:
        return patiently(action, given_up=self._ended, trouble=self._heard)

    def _heard(self, error: BaseException) -> None:
        if self._trouble is None:
            self._reporter.warn(
                f"{self._said(error)}; what is to be sent is kept on this disk and sent again."
            )
        self._trouble = error

    def _why(self) -> str:
        return str(self._said(self._trouble)) if self._trouble is not None else ""

    def _said(self, error: BaseException) -> SeqlineError:
        if isinstance(error, SeqlineError):
            return error
        uri = self._home.tracking_uri
        if is_disk_full(error):
            return ServiceError(DISK_FULL.format(place=f" while writing to {uri}"))
        first = next(iter(str(error).strip().splitlines()), type(error).__name__)
        return ServiceError(f"MLflow, {uri}: {first}")


def _refuses(error: Exception) -> bool:
    """Say whether the store will never take it, whatever happens."""
    return getattr(error, "error_code", None) == "INVALID_PARAMETER_VALUE"


def _nothing() -> None:
    """Stands for a task when the thread only wakes to send again."""

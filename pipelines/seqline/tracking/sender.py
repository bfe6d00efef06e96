"""Sending metrics from a thread of its own, so that the store never slows the training."""

from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlflow.entities import Metric
    from mlflow.tracking import MlflowClient

MOST = 1000
"""Metrics in one request, MLflow's own limit."""


class Sender:
    """Takes points as they are made and sends them in the background, in order."""

    def __init__(self, client: MlflowClient, run_id: str) -> None:
        self.client, self.run_id = client, run_id
        self.failure: Exception | None = None
        self.unsent: list[Metric] = []
        self._queue: queue.SimpleQueue[list[Metric] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="seqline-metrics", daemon=True)
        self._thread.start()

    def put(self, step: int, timestamp_ms: int, metrics: dict[str, float]) -> None:
        """Take figures after `step` updates; returns at once."""
        from mlflow.entities import Metric

        self._queue.put([Metric(key, v, timestamp_ms, step) for key, v in metrics.items()])

    def close(self) -> list[str]:
        """Send what is left; return warnings about what could not be sent."""
        self._queue.put(None)
        self._thread.join(timeout=30)
        if self.unsent:
            self._send([])
        if not self.unsent:
            return []
        return [f"{len(self.unsent)} metrics could not be sent to the store ({self.failure})."]

    def _work(self) -> None:
        while True:
            points = self._queue.get()
            if points is None:
                return
            self._send(points)

    def _send(self, points: list[Metric]) -> None:
        self.unsent += points
        try:
            while self.unsent:
                self.client.log_batch(self.run_id, metrics=self.unsent[:MOST])
                del self.unsent[:MOST]
        except Exception as error:  # the store's trouble must not end the training
            self.failure = error

"""What a run leaves on its flow run's page in Prefect: progress, a table, a link to MLflow."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from uuid import UUID

from prefect.artifacts import (
    create_link_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)

from seqline.reporter import Reporter, TrainingProgress

OFTEN = 10.0
"""Seconds between two updates of the progress: each asks the server."""


class TrainingOnPage:
    """A reporter that shows the training's progress on the page too, and passes all on.

    What is only shown must not end a training: a server that does not answer is let be.
    """

    def __init__(self, reporter: Reporter) -> None:
        self._reporter, self._began, self._told = reporter, time.monotonic(), time.monotonic()
        self._artifact: UUID | None = None

    def training(self, progress: TrainingProgress) -> None:
        """Show how much of the training is done."""
        self._reporter.training(progress)
        now, left = time.monotonic(), progress.seconds_left
        if left is None or now - self._told < OFTEN:
            return
        gone, self._told = now - self._began, now
        self._show(100 * gone / (gone + left))

    def stage_started(self, name: str) -> None:
        """Pass it on."""
        self._reporter.stage_started(name)
        self._began = time.monotonic()

    def stage_finished(self, name: str, folder: Path, reused: bool, seconds: float) -> None:
        """Pass it on."""
        self._reporter.stage_finished(name, folder, reused, seconds)
        self._show(100.0)

    def say(self, text: str) -> None:
        """Pass it on."""
        self._reporter.say(text)

    def warn(self, text: str) -> None:
        """Pass it on."""
        self._reporter.warn(text)

    def _show(self, percent: float) -> None:
        with contextlib.suppress(Exception):
            if self._artifact is None:
                made = create_progress_artifact(
                    progress=percent, key="training", description="The training, of its bound"
                )
                assert isinstance(made, UUID)
                self._artifact = made
            else:
                update_progress_artifact(self._artifact, progress=percent)


def leave_result(
    metrics: dict[str, float], baseline: dict[str, float], mlflow_page: str | None
) -> None:
    """Leave a table of the figures on the test split, and a link to the MLflow run."""
    rows = [
        {"metric": name, "test": round(value, 4), "baseline": baseline.get(name, "")}
        for name, value in metrics.items()
    ]
    create_table_artifact(key="result", table=rows, description="Figures on the test split")
    if mlflow_page is not None:
        create_link_artifact(key="mlflow-run", link=mlflow_page, link_text="MLflow run")

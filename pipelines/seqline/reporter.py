"""What a run tells the person who watches it; the terminal, a log or nobody may listen."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TextIO


@dataclass(frozen=True)
class TrainingProgress:
    """How far the training is.

    epoch              epochs done, with fractions: 2.5 is the middle of the third
    max_epochs         the epochs asked for, None when steps or minutes bound the run
    step               updates done
    loss               the training loss, in nats per target, over the recent updates
    primary_name       the metric that chooses the best model
    primary            its newest value on the validation split, None before the first
    tokens_per_second  training speed, padding not counted
    seconds_left       the time left in seconds, None while it is not known
    """

    epoch: float
    max_epochs: int | None
    step: int
    loss: float
    primary_name: str
    primary: float | None
    tokens_per_second: float
    seconds_left: float | None


class Reporter(Protocol):
    """Hears what happens in a run; every method returns at once and never raises."""

    def stage_started(self, name: str) -> None:
        """Hear that a stage (prepare, train, evaluate, export) begins."""

    def stage_finished(self, name: str, folder: Path, reused: bool, seconds: float) -> None:
        """Hear that a stage's folder is whole, made just now or reused."""

    def training(self, progress: TrainingProgress) -> None:
        """Hear how far the training is, as often as the loop cares to say."""

    def say(self, text: str) -> None:
        """Hear a line worth showing."""

    def warn(self, text: str) -> None:
        """Hear what a person should know; the run goes on."""


class SilentReporter:
    """A reporter that shows nothing."""

    def stage_started(self, name: str) -> None:
        """Show nothing."""

    def stage_finished(self, name: str, folder: Path, reused: bool, seconds: float) -> None:
        """Show nothing."""

    def training(self, progress: TrainingProgress) -> None:
        """Show nothing."""

    def say(self, text: str) -> None:
        """Show nothing."""

    def warn(self, text: str) -> None:
        """Show nothing."""


class WarningReporter(SilentReporter):
    """A reporter that shows warnings alone: what a person should know is said, however quiet."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr

    def warn(self, text: str) -> None:
        """Print the text as a warning."""
        print(f"warning: {text}", file=self._stream, flush=True)

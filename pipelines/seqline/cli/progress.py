"""Progress on standard error: one moving line at a terminal, plain lines in a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from rich.console import Console
from rich.live import Live
from rich.text import Text

from seqline.reporter import Reporter, TrainingProgress, WarningReporter

PLAIN_SECONDS = 10.0
"""A log gets a line for every whole epoch, and otherwise one in so many seconds."""


@contextmanager
def watch(quiet: bool, stream: TextIO | None = None) -> Iterator[Reporter]:
    """Give the reporter that fits where standard error goes, and clear up after it."""
    console = Console(file=stream or sys.stderr, highlight=False)
    if quiet:
        yield WarningReporter(stream)
    elif console.is_terminal:
        reporter = TerminalReporter(console)
        with reporter.live:
            yield reporter
    else:
        yield PlainReporter(stream or sys.stderr)


class TerminalReporter:
    """A line for each finished stage, below them one that moves."""

    def __init__(self, console: Console) -> None:
        self._console, self._stage, self._since = console, "starting", time.monotonic()
        self._progress: TrainingProgress | None = None
        self.live = Live(
            console=console,
            get_renderable=self._line,
            refresh_per_second=4,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def stage_started(self, name: str) -> None:
        """Show the stage's name on the moving line."""
        self._stage, self._since, self._progress = name, time.monotonic(), None

    def stage_finished(self, name: str, folder: Path, reused: bool, seconds: float) -> None:
        """Leave a line: what was done, in how long, or that it was there already."""
        mark = Text("↺ " if reused else "✓ ", style="cyan" if reused else "green")
        said = "reused" if reused else clock(seconds)
        self._console.print(mark.append(f"{name:<9}", style="default").append(said, style="dim"))
        self._stage, self._since, self._progress = "working", time.monotonic(), None

    def training(self, progress: TrainingProgress) -> None:
        """Show how far the training is on the moving line."""
        self._progress = progress

    def say(self, text: str) -> None:
        """Leave a line."""
        self._console.print(Text(text, style="dim"))

    def warn(self, text: str) -> None:
        """Leave a line that is seen."""
        self._console.print(Text(f"warning: {text}", style="yellow"))

    def _line(self) -> Text:
        dots = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"[int(time.monotonic() * 8) % 10]
        line = Text(f"{dots} ", style="cyan", no_wrap=True, overflow="ellipsis")
        line.append(f"{self._stage} ", style="bold default")
        if self._progress is None:
            return line.append(clock(time.monotonic() - self._since), style="dim")
        return line.append(describe(self._progress), style="default")


class PlainReporter:
    """The same in plain lines, few enough for a log."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._shown, self._epoch = 0.0, -1

    def stage_started(self, name: str) -> None:
        """Print that the stage begins."""
        self._print(f"{name}: started")

    def stage_finished(self, name: str, folder: Path, reused: bool, seconds: float) -> None:
        """Print that the stage is done, or that it was there already."""
        self._print(f"{name}: {'reused' if reused else 'done in ' + clock(seconds)}, {folder}")

    def training(self, progress: TrainingProgress) -> None:
        """Print how far the training is, at every whole epoch or after some seconds."""
        now = time.monotonic()
        if int(progress.epoch) != self._epoch or now - self._shown >= PLAIN_SECONDS:
            self._shown, self._epoch = now, int(progress.epoch)
            self._print(f"train: {describe(progress)}")

    def say(self, text: str) -> None:
        """Print the text."""
        self._print(text)

    def warn(self, text: str) -> None:
        """Print the text as a warning."""
        self._print(f"warning: {text}")

    def _print(self, text: str) -> None:
        print(text, file=self._stream, flush=True)


def describe(progress: TrainingProgress) -> str:
    """Return a training's state in at most 72 columns, for metric names of ten letters."""
    of = f"/{progress.max_epochs}" if progress.max_epochs is not None else ""
    parts = [f"epoch {progress.epoch:.1f}{of}", f"loss {progress.loss:.3f}"]
    if progress.primary is not None:
        parts.append(f"{progress.primary_name} {progress.primary:.4f}")
    if progress.seconds_left is not None:
        parts.append(f"{clock(progress.seconds_left)} left")
    parts.append(f"{progress.tokens_per_second:,.0f} tokens/s")
    return "  ".join(parts)


def clock(seconds: float) -> str:
    """Return a duration for reading: 0.4 s, 12 s, 3:05, 1:02:07."""
    if seconds < 59.5:
        return f"{seconds:.1f} s" if seconds < 9.95 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"

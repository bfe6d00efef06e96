"""A sweep's progress on standard error: a line a child at a terminal, plain lines in a log."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from seqline.cli.progress import clock
from seqline.sweep.process import Outcome

PLAIN_SECONDS = 30.0
"""A log gets a line for every child that begins or ends, and one for all in so many seconds."""
MARKS = {"finished": "✓", "failed": "✗", "pruned": "✂", "interrupted": "◼", "running": "▶"}
STYLES = {"finished": "green", "failed": "red", "pruned": "yellow", "running": "cyan"}


@dataclass
class Line:
    """What is known of a child that has begun."""

    title: str
    since: float = field(default_factory=time.monotonic)
    stage: str = "starting"
    share: float = 0.0
    left: float | None = None
    figure: str = ""
    status: str = "running"
    why: str = ""
    seconds: float = 0.0


class SweepProgress:
    """Where the children of a sweep stand; hears them from several threads."""

    def __init__(self, size: int, done: int, parallel: int) -> None:
        self.size, self.before, self.parallel = size, done, parallel
        self.lines: dict[int, Line] = {}
        self.lock = threading.Lock()

    def began(self, number: int, title: str) -> None:
        """Take a new line."""
        with self.lock:
            self.lines[number] = Line(title)

    def heard(self, number: int, message: Mapping[str, Any]) -> None:
        """Take what a child says."""
        with self.lock:
            line = self.lines[number]
            if message["kind"] == "stage":
                line.stage, line.left = message["name"], None
            elif message["kind"] == "training":
                line.left = message["seconds_left"]
                gone = time.monotonic() - line.since
                if line.left is not None:
                    line.share = gone / max(1e-9, gone + line.left)
                if message["primary"] is not None:
                    shown = f"{message['primary_name']} {message['primary']:.4f}"
                    line.figure = f"validation {shown}"

    def ended(self, number: int, outcome: Outcome) -> None:
        """Take how a child ended."""
        with self.lock:
            line = self.lines.setdefault(number, Line(str(number)))
            line.status, line.why = outcome.status, outcome.error
            line.seconds = time.monotonic() - line.since
            if outcome.value is not None:
                line.figure = f"{outcome.primary} {outcome.value:.4f}"

    @property
    def over(self) -> int:
        """How many children are done with, those of before too; interrupted ones go on later."""
        goes_on = ("running", "interrupted")
        return self.before + sum(line.status not in goes_on for line in self.lines.values())

    def seconds_left(self) -> float | None:
        """Return the time left for all, None while none has ended or knows."""
        ended = [line.seconds for line in self.lines.values() if line.status == "finished"]
        running = [line for line in self.lines.values() if line.status == "running"]
        now = time.monotonic()
        each = [*ended, *(now - line.since + line.left for line in running if line.left)]
        if not each:
            return None
        mean = sum(each) / len(each)
        waiting = max(0, self.size - self.over - len(running))
        rest = sum(
            line.left if line.left is not None else max(0.0, mean - (now - line.since))
            for line in running
        )
        return (rest + waiting * mean) / self.parallel

    def summary(self) -> str:
        """Return one line about all: "7 of 12 done, 2 running, 1 failed, 3:05 left"."""
        running = sum(line.status == "running" for line in self.lines.values())
        failed = sum(line.status == "failed" for line in self.lines.values())
        parts = [f"{self.over} of {self.size} done"]
        parts += [f"{running} running"] if running else []
        parts += [f"{failed} failed"] if failed else []
        left = self.seconds_left()
        parts += [f"{clock(left)} left"] if left is not None and self.over < self.size else []
        return ", ".join(parts)


class SweepTable(SweepProgress):
    """A line a child at a terminal; where there are too many, those that run and the last."""

    def __init__(self, size: int, done: int, parallel: int, console: Console) -> None:
        super().__init__(size, done, parallel)
        self._console = console
        self.live = Live(
            console=console,
            get_renderable=self._shown,
            refresh_per_second=4,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def say(self, text: str) -> None:
        """Leave a line."""
        self._console.print(Text(text, style="dim"))

    def warn(self, text: str) -> None:
        """Leave a line that is seen."""
        self._console.print(Text(f"warning: {text}", style="yellow"))

    def _shown(self) -> Group:
        with self.lock:
            lines = list(self.lines.values())
            summary = self.summary()
            waiting = max(0, self.size - self.before - len(lines))
        room = max(3, self._console.height - 4)
        hidden = 0
        if len(lines) > room:
            running = [line for line in lines if line.status == "running"][:room]
            others = [line for line in lines if line.status != "running"]
            kept = others[-(room - len(running)) :] if room > len(running) else []
            hidden, lines = len(lines) - len(running) - len(kept), [*kept, *running]
        table = Table(box=None, show_header=False, pad_edge=False)
        for ratio in (None, None, None, None):
            table.add_column(no_wrap=True, ratio=ratio, overflow="ellipsis")
        for line in lines:
            table.add_row(*self._cells(line))
        more = [f"{hidden} more ended" if hidden else "", f"{waiting} waiting" if waiting else ""]
        said = ", ".join(filter(None, [summary, *more]))
        return Group(table, Text(said, style="bold"))

    def _cells(self, line: Line) -> tuple[Text, Any, Text, Text]:
        mark = Text(f"{MARKS.get(line.status, ' ')} ", style=STYLES.get(line.status, "dim"))
        name = mark.append(line.title, style="default")
        if line.status != "running":
            why = line.why if line.status == "failed" else line.status
            shown = line.figure if line.status == "finished" else why
            return name, Text(clock(line.seconds), style="dim"), Text(""), Text(shown)
        bar = ProgressBar(total=1.0, completed=min(1.0, line.share), width=16)
        left = f"{clock(line.left)} left" if line.left is not None else line.stage
        return name, bar, Text(left, style="dim"), Text(line.figure)


class SweepLog(SweepProgress):
    """The same in plain lines."""

    def __init__(self, size: int, done: int, parallel: int, stream: TextIO) -> None:
        super().__init__(size, done, parallel)
        self._stream, self._told = stream, time.monotonic()
        self._warned: set[str] = set()

    def began(self, number: int, title: str) -> None:
        """Print that a child begins."""
        super().began(number, title)
        self.say(f"{title}: started")

    def heard(self, number: int, message: Mapping[str, Any]) -> None:
        """Print a warning at once, the same of another child not, and now and then all."""
        super().heard(number, message)
        if message["kind"] == "warning" and message["text"] not in self._warned:
            self._warned.add(message["text"])
            self.say(f"{self.lines[number].title}: warning: {message['text']}")
        if time.monotonic() - self._told > PLAIN_SECONDS:
            self._told = time.monotonic()
            with self.lock:
                summary = self.summary()
            self.say(summary)

    def ended(self, number: int, outcome: Outcome) -> None:
        """Print how it ended, and where all stand."""
        super().ended(number, outcome)
        line = self.lines[number]
        said = line.figure if outcome.status == "finished" else outcome.error
        with self.lock:
            summary = self.summary()
        colon = f": {said}" if said else ""
        self.say(f"{line.title}: {outcome.status} in {clock(line.seconds)}{colon}  ({summary})")
        self._told = time.monotonic()

    def say(self, text: str) -> None:
        """Print a line."""
        print(text, file=self._stream, flush=True)

    def warn(self, text: str) -> None:
        """Print a warning."""
        self.say(f"warning: {text}")


class Silence(SweepProgress):
    """Nothing is shown."""

    def say(self, text: str) -> None:
        """Show nothing."""

    def warn(self, text: str) -> None:
        """Show nothing."""


@contextmanager
def watch_sweep(
    size: int, done: int, parallel: int, *, quiet: bool
) -> Iterator[SweepTable | SweepLog | Silence]:
    """Give the display that fits where standard error goes, and clear up after it."""
    console = Console(file=sys.stderr, highlight=False)
    if quiet:
        yield Silence(size, done, parallel)
    elif console.is_terminal:
        shown = SweepTable(size, done, parallel, console)
        with shown.live:
            yield shown
    else:
        yield SweepLog(size, done, parallel, sys.stderr)

"""A child of a sweep: one run of the pipeline in a process of its own.

`python -m seqline.sweep.child` reads its job as a line of JSON from standard input and writes
what happens as lines of JSON to standard output. The input stays open for as long as the sweep
lives: a line "stop" or "prune", or its end, interrupts the run, which can be continued.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TextIO

from seqline.cli.failure import INTERRUPTED, message_of, status_of
from seqline.reporter import TrainingProgress
from seqline.startup import undisturbed

STOP, PRUNE = "stop", "prune"
OFTEN = 0.5
"""Seconds between two messages of a training's progress."""
GRACE = 20.0
"""Seconds that an interrupted child has to write its checkpoint."""


@dataclass(frozen=True)
class Job:
    """What a child is to do.

    sweep, parent, title  its place in the sweep: the key, the parent's run in MLflow, its name
    task_run              the task in Prefect whose work it is
    lasting               whether Prefect's server is there after the sweep
    """

    overrides: Sequence[str]
    sweep: str
    parent: str
    title: str
    task_run: str
    lasting: bool
    fresh: bool = False


class Messenger:
    """A reporter that writes messages for the sweep."""

    def __init__(self, stream: TextIO) -> None:
        self._stream, self._told = stream, 0.0
        self._lock = threading.Lock()

    def send(self, kind: str, **values: Any) -> None:
        """Write one message; where the sweep is gone there is nobody to hear it."""
        with self._lock, contextlib.suppress(OSError, ValueError):
            print(json.dumps({"kind": kind, **values}), file=self._stream, flush=True)

    def stage_started(self, name: str) -> None:
        """Tell the stage's name."""
        self.send("stage", name=name)

    def stage_finished(self, name: str, folder: Path, reused: bool, seconds: float) -> None:
        """Tell how long it took."""
        self.send("done", name=name, reused=reused, seconds=seconds)

    def training(self, progress: TrainingProgress) -> None:
        """Tell how far the training is, not too often."""
        now = time.monotonic()
        if now - self._told >= OFTEN:
            self._told = now
            values = asdict(progress)
            if not math.isfinite(progress.loss):
                values["loss"] = None
            self.send("training", **values)

    def say(self, text: str) -> None:
        """Leave a line in the child's log."""
        print(text, file=sys.stderr, flush=True)  # noqa: T201

    def warn(self, text: str) -> None:
        """Tell it, and leave it in the log."""
        self.say(f"warning: {text}")
        self.send("warning", text=text)


class Ear(threading.Thread):
    """Hears what the sweep says, and that it is gone."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.pruned = False

    def run(self) -> None:
        """Interrupt the run at the first word."""
        self.pruned = sys.stdin.readline().strip() == PRUNE
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(GRACE)
        os.kill(os.getpid(), signal.SIGKILL)


def main() -> int:
    """Do the job; return the exit status, as `seqline run` would."""
    messages = Messenger(os.fdopen(os.dup(1), "w", encoding="utf-8"))
    os.dup2(2, 1)  # whatever else is printed goes into the log
    signal.signal(signal.SIGTERM, _interrupt)
    job = Job(**json.loads(sys.stdin.readline()))
    ear = Ear()
    ear.start()
    try:
        _run(job, messages, ear)
    except KeyboardInterrupt:
        messages.send("end", status=INTERRUPTED, error="interrupted", pruned=ear.pruned)
        return INTERRUPTED
    except Exception as error:
        import traceback

        traceback.print_exc()
        messages.send("end", status=status_of(error), error=message_of(error))
        return status_of(error)
    return 0


def _run(job: Job, messages: Messenger, ear: Ear) -> None:
    with undisturbed():
        from seqline.config.compose import compose
        from seqline.home import open_home, quiet_environment

        quiet_environment()
        config, home = compose(job.overrides), open_home()
        from seqline.launch import Parent, launch
        from seqline.runs.claim import InSweep, claim

        child = InSweep(job.sweep, job.parent, job.title)
        attempt = claim(
            config, home, messages, fresh=job.fresh, overrides=job.overrides, child=child
        )
        with attempt.held():
            try:
                report = launch(attempt, messages, Parent(job.task_run, job.lasting))
            except KeyboardInterrupt:
                if ear.pruned:  # it is over: nobody will continue it
                    attempt.note(status="finished")
                    shutil.rmtree(attempt.checkpoints, ignore_errors=True)
                raise
    messages.send(
        "end",
        status=0,
        run_id=report.run_id,
        primary=report.primary,
        value=report.metrics[report.primary],
        minutes=report.minutes,
        reused="train" in report.reused,
    )


def _interrupt(number: int, frame: Any) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    end = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(end)  # nothing is torn down: after torch that takes long

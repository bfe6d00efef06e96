"""A child's process as the sweep sees it: started, heard, told to stop."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from seqline.sweep.child import GRACE, PRUNE, STOP, Job


@dataclass(frozen=True)
class Outcome:
    """How a child ended: "finished", "failed", "pruned" or "interrupted", and why.

    `run_id`, the primary metric's name and value, and the minutes of training are those of a
    finished one.
    """

    status: str
    error: str = ""
    run_id: str | None = None
    primary: str | None = None
    value: float | None = None
    minutes: float | None = None


class ChildProcess:
    """One child; `run` returns when it has ended, `tell` may be called from another thread."""

    def __init__(self, job: Job, log: Path, url: str) -> None:
        self._job, self._log = job, log
        self._environment = {**os.environ, "PREFECT_API_URL": url}
        self._environment.setdefault("PREFECT_LOGGING_TO_API_ENABLED", "false")
        self._process: subprocess.Popen[str] | None = None
        self._told: str | None = None
        self._changing = threading.Lock()

    def run(self, hear: Callable[[Mapping[str, Any]], None]) -> Outcome:
        """Run the child and return how it ended; `hear` gets its messages."""
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with self._log.open("ab") as log, self._changing:
            if self._told is not None:
                return Outcome("interrupted", "stopped before it began")
            self._process = subprocess.Popen(
                [sys.executable, "-m", "seqline.sweep.child"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=self._environment,
                text=True,
                encoding="utf-8",
                start_new_session=True,  # Ctrl-C is for the sweep, which tells its children
            )
        process = self._process
        end: dict[str, Any] = {}
        assert process.stdin is not None and process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            print(json.dumps(asdict(self._job)), file=process.stdin, flush=True)
        for line in process.stdout:
            with contextlib.suppress(ValueError):  # torn by a kill
                message = json.loads(line)
                if message["kind"] == "end":
                    end = message
                else:
                    hear(message)
        status = process.wait()
        with contextlib.suppress(OSError):
            process.stdin.close()
        return self._outcome(status, end)

    def tell(self, word: str) -> None:
        """Say `STOP` or `PRUNE`; one that does not end in time is killed."""
        with self._changing:
            if self._told is not None:
                return
            self._told = word
            process = self._process
        if process is None or process.stdin is None or process.poll() is not None:
            return
        with contextlib.suppress(OSError, ValueError):
            print(word, file=process.stdin, flush=True)
        threading.Thread(target=_kill_late, args=(process,), daemon=True).start()

    def _outcome(self, status: int, end: Mapping[str, Any]) -> Outcome:
        if end and end["status"] == 0:
            figures = ("run_id", "primary", "value", "minutes")
            return Outcome("finished", "", *(end[name] for name in figures))
        if self._told == PRUNE:
            return Outcome("pruned")
        if self._told == STOP:
            return Outcome("interrupted", "stopped with the sweep")
        if end:
            return Outcome("failed", end["error"])
        if status < 0:
            name = signal.Signals(-status).name
            why = " (out of memory?)" if name == "SIGKILL" else ""
            return Outcome("failed", f"its process was ended by {name}{why}")
        return Outcome("failed", f"its process ended with status {status}; {self._log} says why")


def _kill_late(process: subprocess.Popen[str]) -> None:
    try:
        process.wait(GRACE + 5)
    except subprocess.TimeoutExpired:
        process.kill()

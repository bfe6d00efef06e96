"""A server that ends with us: its processes never outlive the command that started it.

`python -m seqline.services.guard PARENT COMMAND …` runs a command until it ends, until it is
told to stop, or until the process PARENT is gone.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType

GRACE = 2.0
"""Seconds that a server has to end by itself."""


def start_guarded(
    command: Sequence[str], log: Path, environment: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    """Start a command in a session of its own, which Ctrl-C does not reach, its output in `log`."""
    guarded = [sys.executable, "-m", __name__, str(os.getpid()), *command]
    with log.open("ab") as stream:
        return subprocess.Popen(
            guarded,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            env=dict(environment),
            start_new_session=True,
        )


def stop(process: subprocess.Popen[bytes], seconds: float = GRACE + 1.0) -> None:
    """End a process, kindly at first."""
    process.terminate()
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def guard(parent: int, command: Sequence[str]) -> int:
    """Run a command and all it starts; return its exit status."""
    told = False

    def tell(signum: int, frame: FrameType | None) -> None:
        nonlocal told
        told = True

    signal.signal(signal.SIGTERM, tell)
    process = subprocess.Popen(command, start_new_session=True)
    while process.poll() is None and not told and os.getppid() == parent:
        time.sleep(0.2)
    end = time.monotonic() + GRACE
    _signal_all(process, signal.SIGTERM)
    while process.poll() is None and time.monotonic() < end:
        time.sleep(0.05)
    _signal_all(process, signal.SIGKILL)
    return process.wait()


def _signal_all(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


if __name__ == "__main__":
    sys.exit(guard(int(sys.argv[1]), sys.argv[2:]))

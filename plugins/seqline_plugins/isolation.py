"""A plugin tried in a process of its own: whatever it does on import, it does there first."""

from __future__ import annotations

import contextlib
import faulthandler
import os
import re
import select
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import NoReturn

LIMIT = 20.0
"""Seconds that importing a plugin may take."""
GRACE = 0.5
"""Seconds in which a process that hangs may say where."""
_inside = False


def tried(run: Callable[[], str | None], limit: float | None = None) -> str | None:
    """Run a function in a copy of this process; return what it says is wrong, None if nothing.

    One that takes longer than `limit` seconds, and one that ends the process, is what is wrong.
    Where no copy can be made safely (other threads work, a system without fork) nothing is tried.
    """
    if _inside or not hasattr(os, "fork") or _others_work():
        return None
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        _answer(run, writer)
    os.close(writer)
    try:
        return _told(child, reader, LIMIT if limit is None else limit)
    finally:
        os.close(reader)


def _others_work() -> bool:
    """Say whether threads run that a copy would miss; what only redraws a line is a daemon."""
    here = threading.current_thread()
    return any(not one.daemon and one is not here for one in threading.enumerate())


def _answer(run: Callable[[], str | None], writer: int) -> NoReturn:
    """In the copy: run, write what is wrong into the pipe, and end without any farewell."""
    global _inside
    _inside = True
    status = 1
    try:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        silent = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(silent, stream)
        sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: SIM115, PTH123
        faulthandler.register(signal.SIGUSR1, file=writer, all_threads=False)
        torch = sys.modules.get("torch")
        if torch is not None:
            torch.set_num_threads(1)  # the threads of the original are not here
        said = run()
        os.write(writer, b"\0" if said is None else b"\1" + said.encode()[:60000])
        status = 0
    finally:
        os._exit(status)


def _told(child: int, reader: int, limit: float) -> str | None:
    """Return what the copy says; it is ended when the time is over."""
    said, deadline, late = b"", time.monotonic() + limit, False
    while True:
        left = deadline - time.monotonic()
        if left <= 0:
            if late:
                break
            late, deadline = True, time.monotonic() + GRACE
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGUSR1)
            continue
        ready, _, _ = select.select([reader], [], [], left)
        if ready:
            part = os.read(reader, 65536)
            if not part:
                break
            said += part
    if late:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if said[:1] == b"\0":
        return None
    if said[:1] == b"\1":
        return said[1:].decode(errors="replace")
    if late:
        return f"importing it takes longer than {limit:g} seconds{_place(said)}"
    code = os.waitstatus_to_exitcode(status)
    how = f"with status {code}" if code >= 0 else f"by {signal.Signals(-code).name}"
    return f"importing it ends the process {how}"


def _place(traceback: bytes) -> str:
    """Return " (file:line)" of the innermost line of code in what faulthandler wrote."""
    frames = re.findall(r'File "([^"<]+)", line (\d+)', traceback.decode(errors="replace"))
    return f" ({frames[0][0]}:{frames[0][1]})" if frames else ""

"""How a command ends: exit statuses, and one message instead of a traceback.

0 done · 1 the machine or a service failed · 2 the user's input is wrong · 130 interrupted.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import signal
import sys
import textwrap
import threading
import traceback
from collections.abc import Iterator
from types import FrameType

from seqline.home import DISK_FULL, chain, is_disk_full
from seqline_plugins.errors import SeqlineError

FAILED, WRONG_INPUT, INTERRUPTED = 1, 2, 130


@contextlib.contextmanager
def reported(show_traceback: bool = False, as_json: bool = False) -> Iterator[None]:
    """Turn what a command raises into a message on standard error and an exit status.

    `as_json` also prints `{"error": …, "status": …}` on standard output. SIGTERM counts as
    Ctrl-C while the command runs.
    """
    try:
        with _terminated_like_interrupted():
            yield
            sys.stdout.flush()  # a reader that went away is noticed here, not at exit
    except KeyboardInterrupt as error:
        _end(INTERRUPTED, str(error) or "interrupted.", as_json)
    except BrokenPipeError:
        # the reader went away (`| head`): nobody is left to tell, and Python must not try
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        raise SystemExit(0) from None
    except SystemExit as end:
        if isinstance(end.__context__, BrokenPipeError):  # as rich says the same
            raise SystemExit(0) from None
        raise
    except Exception as error:
        if show_traceback:
            traceback.print_exc()
        _end(status_of(error), f"error: {message_of(error)}", as_json)


def status_of(error: BaseException) -> int:
    """Return the exit status that an exception means."""
    return error.status if isinstance(error, SeqlineError) else FAILED


def message_of(error: BaseException) -> str:
    """Say what went wrong, for a person: our own words, or one line about the unforeseen."""
    if isinstance(error, SeqlineError):
        return str(error)
    if is_disk_full(error):
        files = (getattr(cause, "filename", None) for cause in chain(error))
        file = next(filter(None, files), None)
        return DISK_FULL.format(place=f" while writing {file}" if file else "")
    for cause in chain(error):
        if isinstance(cause, OSError) and cause.errno == errno.EROFS:
            place = cause.filename or "the disk"
            return f"{place} cannot be written to any more; when it can, the same command goes on."
        too_much = "can't allocate memory" in str(cause)
        if isinstance(cause, MemoryError) or type(cause).__name__ == "OutOfMemoryError" or too_much:
            return (
                "out of memory; a smaller trainer.batch_size or trainer.batch_tokens needs less "
                "(trainer.accumulate keeps the size of an update)."
            )
    first = next(iter(str(error).splitlines()), "")
    said = f"{type(error).__name__}: {first}" if first else type(error).__name__
    return f"{said} (unforeseen; --traceback shows where)"


def _end(status: int, message: str, as_json: bool) -> None:
    width = shutil.get_terminal_size((80, 24)).columns if sys.stderr.isatty() else 0
    print(wrapped(message, width), file=sys.stderr)  # noqa: T201
    if as_json:
        text = message.removeprefix("error: ")
        print(json.dumps({"error": text, "status": status}, ensure_ascii=False))  # noqa: T201
    raise SystemExit(status) from None


def wrapped(message: str, width: int) -> str:
    """Return a message in lines of at most `width`; words, commands among them, stay whole."""
    if width <= 0:
        return message
    lines = (
        textwrap.fill(line, width, break_long_words=False, break_on_hyphens=False)
        for line in message.splitlines()
    )
    return "\n".join(lines)


@contextlib.contextmanager
def _terminated_like_interrupted() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(signum: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)

"""A check, what it may say, and running it."""

from __future__ import annotations

import inspect
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from seqline_plugins.errors import UserError

Status = Literal["right", "wrong", "skipped"]


class WrongError(AssertionError):
    """What a plugin gets wrong, and what to do about it."""


class NotApplicableError(Exception):
    """Why a check has nothing to check here."""


@dataclass(frozen=True)
class Check:
    """One named function of a subject, which raises `WrongError`."""

    function: Callable[[Any], None]

    @property
    def name(self) -> str:
        """The function's name: what holds of a good plugin."""
        return self.function.__name__

    @property
    def title(self) -> str:
        """The name as a person reads it."""
        return self.name.replace("_", " ")


@dataclass(frozen=True)
class Outcome:
    """What a check found: `said` is what is wrong, or why it was skipped."""

    check: Check
    status: Status
    said: str
    seconds: float


class Checks:
    """The checks of a kind of plugin, in their order; `add` takes a function as one more."""

    def __init__(self, *others: Checks) -> None:
        self._checks = [check for other in others for check in other]

    def add(self, function: Callable[[Any], None]) -> Callable[[Any], None]:
        """Take a function as a check."""
        self._checks.append(Check(function))
        return function

    def __iter__(self) -> Iterator[Check]:
        return iter(self._checks)


def run(check: Check, subject: Any) -> Outcome:
    """Run one check; whatever the plugin raises is what it gets wrong."""
    started = time.perf_counter()
    status: Status = "right"
    said = ""
    try:
        check.function(subject)
    except WrongError as wrong:
        status, said = "wrong", str(wrong)
    except NotApplicableError as reason:
        status, said = "skipped", str(reason)
    except Exception as error:
        status, said = "wrong", failure(error, subject.plugin)
    return Outcome(check, status, said, time.perf_counter() - started)


def failure(error: Exception, plugin: type[Any]) -> str:
    """Say what a plugin raised and where: the last line of its own that was running."""
    said = in_one_line(error) or "no message"
    if isinstance(error, UserError):
        return said  # it names its place itself
    own = inspect.getsourcefile(plugin)
    frames = traceback.extract_tb(error.__traceback__)
    inside = [frame for frame in frames if frame.filename == own] or frames[-1:]
    at = f" ({inside[-1].filename}:{inside[-1].lineno})" if inside else ""
    return f"{type(error).__name__}: {said}{at}"


def in_one_line(error: Exception, letters: int | None = None) -> str:
    """Return what an exception says, its lines as one, of at most so many letters."""
    return " ".join(str(error).split())[:letters]

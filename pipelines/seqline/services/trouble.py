"""Which failures pass by themselves: a server away for a while, a database locked by another."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from seqline.home import chain

PATIENCE = 600.0
"""Seconds for which what passes is tried again."""
DELAYS = (0.5, 1, 2, 4, 8, 15)
"""Seconds between one try and the next, the last one for all that follow."""
AWAY = (
    "ConnectionError",
    "ConnectError",
    "ConnectTimeout",
    "ReadTimeout",
    "Timeout",
    "MaxRetryError",
    "NewConnectionError",
    "ProtocolError",
    "RemoteProtocolError",
    "IncompleteRead",
)
SAID = re.compile(
    r"database is locked|database table is locked|connection refused|connection reset"
    r"|server closed the connection|could not connect to server|max retries exceeded"
    r"|error code (429|502|503|504)\b|too many 5\d\d error responses",
    re.IGNORECASE,
)
T = TypeVar("T")


def passes(error: BaseException) -> bool:
    """Say whether the same again may go well later: never so for a mistake or a full disk."""
    for one in chain(error):
        kind = type(one)
        if isinstance(one, ConnectionError | TimeoutError) or kind.__name__ in AWAY:
            return True
        if SAID.search(str(one)):
            return True
    return False


def patiently(
    action: Callable[[], T],
    *,
    given_up: threading.Event,
    trouble: Callable[[BaseException], None],
    patience: float | None = None,
) -> T:
    """Return what `action` returns, tried again with growing delays while its failure passes.

    `trouble` is told of each failure. What does not pass, the failure after `patience` seconds,
    and any after `given_up`, is raised.
    """
    end = time.monotonic() + (PATIENCE if patience is None else patience)
    tries = 0
    while True:
        try:
            return action()
        except Exception as error:
            if not passes(error) or given_up.is_set() or time.monotonic() > end:
                raise
            trouble(error)
        given_up.wait(DELAYS[min(tries, len(DELAYS) - 1)])
        tries += 1

"""Start-up without Python's collector of cycles.

Importing torch, Prefect and MLflow makes a million objects that all stay; looking through them
for garbage, again and again as they grow, takes a third of the imports' time.
"""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Leave the collector off until `started` is called, or the block ends."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def started() -> None:
    """Turn the collector on where it is off; what is there by now is never looked through again."""
    if not gc.isenabled():
        gc.freeze()
        gc.enable()

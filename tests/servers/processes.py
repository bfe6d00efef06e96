"""Commands as processes of their own, and waiting for what they do."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

COMMAND = (
    "import os, sys; from seqline.services.ui import serve_ui; from seqline.home import *; "
    "quiet_environment(); serve_ui(open_home(), int(sys.argv[1]), int(sys.argv[2])); "
    "os._exit(0)"
)
"""`seqline ui` on chosen ports; it ends as the command does, nothing is torn down."""


@dataclass(frozen=True)
class Served:
    """A `seqline ui` that is up: its home, what it said, where it serves."""

    home: Path
    said: str
    wanted: tuple[int, int]
    mlflow: str
    prefect: str


def environment(home: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    return kept | {"SEQLINE_HOME": str(home)}


def processors_are_free() -> bool:
    """Say whether seconds can be counted: nobody else takes the processors."""
    return os.getloadavg()[0] <= len(os.sched_getaffinity(0))


def wait_until(true: Callable[[], bool], seconds: float, what: str) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"{what} did not come in {seconds} s"
        time.sleep(0.1)


SEQLINE = "from seqline.cli.main import main; raise SystemExit(main())"

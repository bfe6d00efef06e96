"""Starting a run: the servers it needs are brought up while the heavy imports go on."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from seqline.home import Home, refuse_full_disk
from seqline.reporter import Reporter
from seqline.runs.attempt import Attempt
from seqline.services.address import check_prefect, check_tracking
from seqline.services.lasting import lasting_prefect
from seqline.services.prefect_server import TemporaryServer, temporary_server
from seqline.tracking.background import Tracking
from seqline_plugins.errors import ServiceError

if TYPE_CHECKING:
    from seqline.flow import RunReport


@dataclass(frozen=True)
class Parent:
    """The task run in Prefect whose work a run is, of a sweep on a server that lasts or not."""

    task_run: str
    lasting: bool


def launch(attempt: Attempt, reporter: Reporter, parent: Parent | None = None) -> RunReport:
    """Run the pipeline with a Prefect server at hand; return what the run leaves.

    The server is the one `PREFECT_API_URL` names, else that of `seqline ui` or `seqline serve` if
    one is up, else a temporary one. Raises `ServiceError` before any work when an address does
    not answer.
    """
    check_tracking()
    check_prefect()
    with prefect_api(attempt.home) as server:
        tracking = Tracking(attempt, reporter)
        from seqline.flow import run_pipeline  # after the address is known, which Prefect reads

        if server is not None:
            server.wait()
        import httpx

        try:
            return run_pipeline(
                attempt,
                reporter=reporter,
                tracking=tracking,
                lasting_server=server is None if parent is None else parent.lasting,
                task_run=parent.task_run if parent is not None else None,
            )
        except httpx.HTTPError as error:
            refuse_full_disk(attempt.home.path)
            happened = "went away" if isinstance(error, httpx.TransportError) else "has trouble"
            first = next(iter(str(error).splitlines()), type(error).__name__)
            raise ServiceError(
                f"Prefect's server at {os.environ['PREFECT_API_URL']} {happened} ({first}); "
                "`seqline resume`, or the same command again, goes on."
            ) from error


@contextlib.contextmanager
def prefect_api(home: Home) -> Iterator[TemporaryServer | None]:
    """Have `PREFECT_API_URL` name a server; gives the temporary one, None for one that lasts."""
    if os.environ.get("PREFECT_API_URL"):
        yield None
        return
    up = lasting_prefect(home)
    try:
        if up is not None:
            os.environ["PREFECT_API_URL"] = up + "/api"
            yield None
        else:
            with temporary_server(home) as server:
                os.environ["PREFECT_API_URL"] = server.url
                os.environ.setdefault("PREFECT_LOGGING_TO_API_ENABLED", "false")
                yield server
    finally:
        os.environ.pop("PREFECT_API_URL", None)

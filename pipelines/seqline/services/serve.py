"""`seqline serve`: a process worker for the schedules, and a Prefect server where none is up."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from filelock import FileLock, Timeout
from rich.console import Console

from seqline.durable import write_whole
from seqline.home import Home
from seqline.schedules import POOL
from seqline.services.address import check_prefect, check_tracking, free_port, wait_for
from seqline.services.guard import start_guarded, stop
from seqline.services.lasting import prefect_url
from seqline.services.prefect_server import STARTUP, start_server
from seqline.services.ui import PREFECT_PORT
from seqline_plugins.errors import ServiceError, UserError

AGAIN = 2.0
"""Seconds before what has ended by itself is started again."""
POLL = "5"
"""Seconds between two looks of the worker for what is due."""


@dataclass
class Kept:
    """A process that is started again whenever it ends."""

    name: str
    start: Callable[[], subprocess.Popen[bytes]]
    process: subprocess.Popen[bytes]

    def look(self, console: Console) -> None:
        """Start it again if it has ended, saying so."""
        if self.process.poll() is None:
            return
        console.print(f"{self.name} ended by itself; starting it again")
        time.sleep(AGAIN)
        self.process = self.start()


def serve_schedules(home: Home) -> None:
    """Run what is due until Ctrl-C; the worker and a server of ours are kept alive.

    Raises `UserError` when another `seqline serve` serves this home, `ServiceError` where the
    server that `PREFECT_API_URL` names does not answer, or ours does not start.
    """
    check_tracking()
    check_prefect()
    console = Console(highlight=False)
    lock = FileLock(home.path / "serve.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise UserError(
            "`seqline serve` is up already for this home; stopping it pauses no schedule."
        ) from None
    with contextlib.ExitStack() as stack:
        stack.callback(lock.release)
        kept = []
        url = prefect_url(home)
        if url is None:
            server, url = _start_own_server(home, console)
            stack.callback(lambda: stop(server.process))
            stack.callback((home.path / "serve.json").unlink, missing_ok=True)
            kept.append(server)
        from seqline.schedules.deployment import ensure_pool, prefect_client
        from seqline.tracking.settle import settle_prefect

        settle_prefect(home, url)
        with prefect_client(url) as client:
            ensure_pool(client)
        worker = _start_worker(home, url)
        kept.append(worker)
        stack.callback(lambda: stop(worker.process))
        pages = url.removesuffix("/api")
        console.print(f"serving the schedules of {pages}\nCtrl-C stops it and pauses none.")
        with contextlib.suppress(KeyboardInterrupt):
            while True:
                time.sleep(0.5)
                for one in kept:
                    one.look(console)
    console.print("stopped.")


def _start_own_server(home: Home, console: Console) -> tuple[Kept, str]:
    port = free_port(PREFECT_PORT)
    pages = f"http://127.0.0.1:{port}"
    console.print("starting …")

    def start() -> subprocess.Popen[bytes]:
        return start_server(home, port, pages=True)

    process = start()
    if not wait_for(f"{pages}/api/health", STARTUP):
        stop(process)
        raise ServiceError(f"Prefect's server did not start; {home.prefect}/server.log says why.")
    note = json.dumps({"pid": os.getpid(), "prefect": pages})
    write_whole(home.path / "serve.json", note)
    return Kept("Prefect's server", start, process), f"{pages}/api"


def _start_worker(home: Home, url: str) -> Kept:
    logs = home.path / "serve"
    logs.mkdir(exist_ok=True)
    environment = {
        "PREFECT_WORKER_QUERY_SECONDS": POLL,
        **os.environ,
        "PREFECT_API_URL": url,
        "SEQLINE_HOME": str(home.path),
    }
    name = f"{socket.gethostname()}-{os.getpid()}"
    command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", POOL]
    command += ["--type", "process", "--name", name]

    def start() -> subprocess.Popen[bytes]:
        return start_guarded(command, logs / "worker.log", environment)

    return Kept("the worker", start, start())

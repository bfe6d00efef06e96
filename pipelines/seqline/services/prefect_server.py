"""Prefect's server as a process of ours: for one run, or with its pages for `seqline ui`.

`python -m seqline.services.prefect_server PORT PARENT` serves on loopback until it is told to
stop or the process PARENT is gone, so that no server outlives a run that was killed.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock

from seqline.home import Home, refuse_full_disk
from seqline.services.address import free_port, wait_for
from seqline.services.guard import stop
from seqline_plugins.errors import ServiceError

STARTUP = 240.0
"""Seconds that the first start may take on a busy machine: it makes Prefect's database."""
LEASES = {
    "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": (
        "prefect.server.concurrency.lease_storage.filesystem"
    )
}
"""Who holds a schedule's one place outlives a server that is started again. Of leases in memory
the places would stay taken for ever, and a run that holds one would end at its next renewal."""


def start_server(home: Home, port: int, *, pages: bool) -> subprocess.Popen[bytes]:
    """Start a server on a port of loopback, in a session of its own: Ctrl-C does not reach it."""
    home.prefect.mkdir(parents=True, exist_ok=True)
    environment = {**LEASES, **os.environ, "PREFECT_HOME": str(home.prefect)}
    environment.pop("PREFECT_API_URL", None)
    url = f"http://127.0.0.1:{port}/api"
    if pages:
        environment |= {"PREFECT_UI_API_URL": url, "PREFECT_SERVER_UI_API_URL": url}
    else:
        environment |= {"PREFECT_SERVER_UI_ENABLED": "false", "PREFECT__SERVER_EPHEMERAL": "1"}
    log = (home.prefect / "server.log").open("ab")
    command = [sys.executable, "-m", __name__, str(port), str(os.getpid())]
    with log:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environment,
            start_new_session=True,
        )


@contextlib.contextmanager
def temporary_server(home: Home) -> Iterator[TemporaryServer]:
    """Run a server for as long as the block lasts."""
    port = free_port(0)
    process = start_server(home, port, pages=False)
    server = TemporaryServer(process, f"http://127.0.0.1:{port}/api", home)
    try:
        yield server
    finally:
        stop(server.process, seconds=1.0)


class TemporaryServer:
    """A server that is starting, or has started."""

    def __init__(self, process: subprocess.Popen[bytes], url: str, home: Home) -> None:
        self.process, self.url, self.home = process, url, home

    def wait(self) -> None:
        """Wait until it answers; raises `ServiceError` when it does not."""
        end = time.monotonic() + STARTUP
        while time.monotonic() < end and self.process.poll() is None:
            if wait_for(self.url + "/health", 1.0):
                return
        refuse_full_disk(self.home.path)
        raise ServiceError(
            f"Prefect's temporary server did not start; {self.home.prefect}/server.log says why."
        )


def serve(port: int, parent: int) -> None:
    """Serve on loopback until told to stop, or until the parent is gone."""
    import uvicorn

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(0)

    class OneStartsAtATime(uvicorn.Server):
        """Of two that start in a fresh home, one makes the database and the other finds it."""

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            with FileLock(Path(os.environ["PREFECT_HOME"]) / "start.lock"):
                await super().startup(sockets)

    threading.Thread(target=watch, daemon=True).start()
    config = uvicorn.Config(
        "prefect.server.api.server:create_app",
        factory=True,
        host="127.0.0.1",
        port=port,
        log_level="error",
        lifespan="on",
        timeout_graceful_shutdown=1,
    )
    OneStartsAtATime(config).run()


if __name__ == "__main__":
    serve(int(sys.argv[1]), int(sys.argv[2]))

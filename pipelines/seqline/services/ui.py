"""`seqline ui`: the pages of MLflow and Prefect on this machine."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

from rich.console import Console

from seqline.durable import write_whole
from seqline.home import Home
from seqline.runs.record import records
from seqline.services.address import answers, free_port, wait_for
from seqline.services.guard import start_guarded, stop
from seqline.services.lasting import lasting_prefect
from seqline.services.prefect_server import STARTUP
from seqline.services.prefect_server import start_server as start_prefect
from seqline_plugins.errors import ServiceError, UserError

MLFLOW_PORT, PREFECT_PORT = 5000, 4200


@dataclass(frozen=True)
class Address:
    """Where a `seqline ui` serves, and its process."""

    pid: int
    mlflow: str
    prefect: str


def running_ui(home: Home) -> Address | None:
    """Return the `seqline ui` of this home if it is up and answers, else None."""
    try:
        address = Address(**json.loads((home.path / "ui.json").read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
    return address if answers(address.prefect + "/api/health") else None


def tracking_pages(home: Home) -> str | None:
    """Return where MLflow's pages for this home's store are served, None if nowhere."""
    if home.tracking_uri.startswith(("http://", "https://")):
        return home.tracking_uri.rstrip("/")
    up = running_ui(home)
    return up.mlflow if up is not None else None


def serve_ui(home: Home, mlflow_port: int = MLFLOW_PORT, prefect_port: int = PREFECT_PORT) -> None:
    """Serve both until Ctrl-C; the next free ports are taken, and said.

    What `MLFLOW_TRACKING_URI` or `PREFECT_API_URL` name, and Prefect of `seqline serve`, is served
    already: only its address is said. Raises `UserError` when another `seqline ui` serves this
    home, `ServiceError` when a server does not start, or ends by itself.
    """
    up = running_ui(home)
    if up is not None:
        raise UserError(
            f"`seqline ui` is up already: MLflow {up.mlflow}, Prefect {up.prefect} "
            f"(process {up.pid})."
        )
    console = Console(highlight=False)
    with contextlib.ExitStack() as stack:
        mlflow = _served_elsewhere("MLFLOW_TRACKING_URI", "")
        prefect = _served_elsewhere("PREFECT_API_URL", "/api") or lasting_prefect(home)
        servers = []
        if prefect is None:
            port = _port("Prefect", prefect_port, console)
            prefect = f"http://127.0.0.1:{port}"
            process = start_prefect(home, port, pages=True)
            servers.append(Server("Prefect", f"{prefect}/api/health", process))
            stack.callback(stop, process)
        if mlflow is None:
            port = _port("MLflow", mlflow_port, console)
            mlflow = f"http://127.0.0.1:{port}"
            process = start_mlflow(home, port)
            servers.append(Server("MLflow", f"{mlflow}/health", process))
            stack.callback(stop, process)
        stack.callback(_tell_all, servers)
        console.print("starting …")
        for server in servers:
            server.wait(home)
        _settle(home, prefect)
        note = home.path / "ui.json"
        stack.callback(note.unlink, missing_ok=True)
        write_whole(note, json.dumps(asdict(Address(os.getpid(), mlflow, prefect))))
        console.print(f"MLflow   {mlflow}\nPrefect  {prefect}\nCtrl-C stops both.")
        with contextlib.suppress(ServiceError):  # a store of the user's own may be away
            for name, page in _tables(home):
                console.print(f"the runs of {name}: {mlflow}{page}", soft_wrap=True)
        with contextlib.suppress(KeyboardInterrupt):
            while True:
                time.sleep(0.2)
                for server in servers:
                    server.check(home)
    console.print("stopped.")


@dataclass(frozen=True)
class Server:
    """A server of ours: its name, an address that answers when it is up, its process."""

    name: str
    health: str
    process: subprocess.Popen[bytes]

    def wait(self, home: Home) -> None:
        """Wait until it answers; raises `ServiceError` when it does not."""
        end = time.monotonic() + STARTUP
        while time.monotonic() < end:
            self.check(home)
            if wait_for(self.health, 0.5):
                return
        raise ServiceError(f"{self.name} did not start at {self.health} in {STARTUP:.0f} s.")

    def check(self, home: Home) -> None:
        """Raise `ServiceError` when it has ended."""
        if self.process.poll() is not None:
            raise ServiceError(
                f"{self.name}'s server ended by itself; {home.path}/*/*.log say why."
            )


def _settle(home: Home, prefect: str) -> None:
    """Let the pages show as killed what was killed."""
    from seqline.tracking.settle import settle_prefect, settle_tracking
    from seqline.tracking.store import open_store

    if any(records(home, unfinished=True)):
        settle_tracking(home, open_store(home))
        settle_prefect(home, f"{prefect}/api")


def _tables(home: Home) -> Iterator[tuple[str, str]]:
    """Yield the experiments that have our columns, and the place of each one's table of runs."""
    from seqline.tracking.store import OF_EXPERIMENT, open_store, runs_page

    for one in open_store(home).search_experiments(order_by=["name"]):
        if OF_EXPERIMENT.items() <= one.tags.items():
            yield one.name, runs_page(str(one.experiment_id))


def start_mlflow(home: Home, port: int) -> subprocess.Popen[bytes]:
    """Start MLflow's server on a port of loopback, over the home's store."""
    from seqline.tracking.store import open_store

    open_store(home)
    logs = home.path / "mlflow"
    logs.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--workers", "1"]
    command += ["--port", str(port), "--backend-store-uri", home.tracking_uri]
    command += ["--default-artifact-root", home.artifacts.as_uri()]
    environment = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    return start_guarded(command, logs / "server.log", environment)


def _served_elsewhere(variable: str, ending: str) -> str | None:
    """Return the pages of a server that the user named by its address."""
    url = os.environ.get(variable, "").rstrip("/")
    return url.removesuffix(ending) if url.startswith(("http://", "https://")) else None


def _port(name: str, wanted: int, console: Console) -> int:
    port = free_port(wanted)
    if port != wanted:
        console.print(f"port {wanted} is taken; {name} uses {port}")
    return port


def _tell_all(servers: Sequence[Server]) -> None:
    """Tell all servers to end before any is waited for."""
    for server in servers:
        server.process.terminate()

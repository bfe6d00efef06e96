"""`seqline ui`: the pages of MLflow and Prefect on this machine."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from rich.console import Console

from seqline.home import Home
from seqline.services.address import answers, free_port, wait_for
from seqline.services.prefect_server import STARTUP, start_server, stop
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

    Raises `UserError` when another `seqline ui` serves this home, `ServiceError` when a server
    does not start.
    """
    up = running_ui(home)
    if up is not None:
        raise UserError(
            f"`seqline ui` is up already: MLflow {up.mlflow}, Prefect {up.prefect} "
            f"(process {up.pid})."
        )
    console = Console(highlight=False)
    ports = {}
    for name, wanted in (("MLflow", mlflow_port), ("Prefect", prefect_port)):
        ports[name] = free_port(wanted)
        if ports[name] != wanted:
            console.print(f"port {wanted} is taken; {name} uses {ports[name]}")
    mlflow = f"http://127.0.0.1:{ports['MLflow']}"
    prefect = f"http://127.0.0.1:{ports['Prefect']}"
    with _servers(home, ports) as processes:
        console.print("starting …")
        for name, url, process in (
            ("Prefect", prefect + "/api/health", processes["Prefect"]),
            ("MLflow", mlflow + "/health", processes["MLflow"]),
        ):
            _wait(name, url, process)
        note = home.path / "ui.json"
        note.write_text(json.dumps(asdict(Address(os.getpid(), mlflow, prefect))))
        console.print(f"MLflow   {mlflow}\nPrefect  {prefect}\nCtrl-C stops both.")
        try:
            while all(process.poll() is None for process in processes.values()):
                time.sleep(0.2)
        except KeyboardInterrupt:
            console.print("stopped.")
            return
        finally:
            note.unlink(missing_ok=True)
        gone = [name for name, process in processes.items() if process.poll() is not None]
        raise ServiceError(f"{' and '.join(gone)} ended by itself; see the logs in {home.path}.")


@contextlib.contextmanager
def _servers(home: Home, ports: dict[str, int]) -> Iterator[dict[str, subprocess.Popen[bytes]]]:
    from seqline.tracking.store import open_store

    open_store(home)
    processes = {"Prefect": start_server(home, ports["Prefect"], pages=True)}
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--workers", "1"]
    command += ["--port", str(ports["MLflow"]), "--backend-store-uri", home.tracking_uri]
    command += ["--default-artifact-root", home.artifacts.as_uri()]
    with (home.path / "mlflow-server.log").open("ab") as log:
        processes["MLflow"] = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    try:
        yield processes
    finally:
        for process in processes.values():
            process.terminate()
        for process in processes.values():
            stop(process)


def _wait(name: str, url: str, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + STARTUP
    while time.monotonic() < end:
        if wait_for(url, 0.5):
            return
        if process.poll() is not None:
            break
    raise ServiceError(f"{name} did not start at {url}.")

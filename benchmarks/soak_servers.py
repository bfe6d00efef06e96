"""Servers of the soak that are killed and brought back: MLflow's and Prefect's."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path


class KilledServer:
    """A server on a port of loopback that keeps its port and its database when it is killed."""

    database: Path | None = None
    variables: dict[str, str]

    def __init__(self, home: Path) -> None:
        home.mkdir(parents=True, exist_ok=True)
        self.home = home
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def command(self) -> list[str]:
        raise NotImplementedError

    @property
    def health(self) -> str:
        raise NotImplementedError

    def start(self) -> None:
        """Start it and wait until it answers."""
        with (self.home / "killed-server.log").open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                env={**os.environ, "PREFECT_HOME": str(self.home / "prefect")},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        for _ in range(1200):
            try:
                with urllib.request.urlopen(self.health, timeout=1):
                    return
            except OSError:
                time.sleep(0.1)
        sys.exit(f"{self.health} does not answer; {self.home}/killed-server.log says why")

    def kill(self) -> None:
        """Kill it with all it has started."""
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def __enter__(self) -> KilledServer:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


class TrackingServer(KilledServer):
    """`mlflow server` over SQLite."""

    def __init__(self, home: Path) -> None:
        super().__init__(home)
        self.database = home / "served.db"
        self.variables = {"MLFLOW_TRACKING_URI": f"http://127.0.0.1:{self.port}"}

    @property
    def command(self) -> list[str]:
        store = ["--backend-store-uri", f"sqlite:///{self.database}"]
        store += ["--artifacts-destination", str(self.home / "served")]
        place = ["--host", "127.0.0.1", "--port", str(self.port), "--workers", "1"]
        return [sys.executable, "-m", "mlflow", "server", *place, *store]

    @property
    def health(self) -> str:
        return f"http://127.0.0.1:{self.port}/health"


class PrefectServer(KilledServer):
    """Prefect's server, its database in the run's home."""

    def __init__(self, home: Path) -> None:
        super().__init__(home)
        self.variables = {"PREFECT_API_URL": f"http://127.0.0.1:{self.port}/api"}
        (home / "prefect").mkdir(exist_ok=True)

    @property
    def command(self) -> list[str]:
        serve = "seqline.services.prefect_server"
        return [sys.executable, "-m", serve, str(self.port), str(os.getpid())]

    @property
    def health(self) -> str:
        return f"http://127.0.0.1:{self.port}/api/health"

"""Addresses: whether something answers there, and which port is free."""

from __future__ import annotations

import http.client
import os
import socket
import time
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

from seqline_plugins.errors import ServiceError

PATIENCE = 6.0
"""Seconds that a server given by its address has to answer."""
DEFAULT_PORTS = {"http": 80, "https": 443, "postgresql": 5432, "mysql": 3306, "mssql": 1433}


def answers(url: str, timeout: float = 2.0) -> bool:
    """Say whether an HTTP server answers at `url`, with any status but an error of its own."""
    try:
        with urllib.request.urlopen(url, timeout=timeout):
            return True
    except urllib.error.HTTPError as error:
        return error.code < 500
    except (OSError, ValueError, http.client.HTTPException):
        return False


def wait_for(url: str, seconds: float) -> bool:
    """Wait until an HTTP server answers; say whether it did in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if answers(url):
            return True
        time.sleep(0.1)
    return False


def free_port(wanted: int) -> int:
    """Return the first port from `wanted` on that is free on loopback; any free one for 0."""
    for port in range(wanted, wanted + 100) if wanted else (0,):
        with socket.socket() as probe:
            # a port whose last server has just ended is free; one that is listened on is not
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise ServiceError(f"no port between {wanted} and {wanted + 99} is free on 127.0.0.1.")


def check_prefect() -> None:
    """Raise `ServiceError` when the server that `PREFECT_API_URL` names does not answer."""
    url = os.environ.get("PREFECT_API_URL")
    if url and not wait_for(url.rstrip("/") + "/health", PATIENCE):
        raise ServiceError(
            f"PREFECT_API_URL={url}: no Prefect server answers there ({PATIENCE:.0f} s); start "
            "it, or unset the variable."
        )


def check_tracking() -> None:
    """Raise `ServiceError` when the store that `MLFLOW_TRACKING_URI` names does not answer."""
    uri = os.environ.get("MLFLOW_TRACKING_URI")
    if uri and not _tracking_answers(uri):
        raise ServiceError(
            f"MLFLOW_TRACKING_URI={uri}: nothing answers there ({PATIENCE:.0f} s); start the "
            "tracking server, or unset the variable."
        )


def _tracking_answers(uri: str) -> bool:
    parts = urlsplit(uri)
    if parts.scheme in ("http", "https"):
        return wait_for(uri.rstrip("/") + "/health", PATIENCE)
    if parts.scheme == "sqlite":
        return Path(uri.removeprefix("sqlite:///")).parent.is_dir()
    kind = parts.scheme.split("+")[0]
    if kind not in DEFAULT_PORTS or parts.hostname is None:
        return True
    address = (parts.hostname, parts.port or DEFAULT_PORTS[kind])
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        try:
            with socket.create_connection(address, timeout=2):
                return True
        except OSError:
            time.sleep(0.2)
    return False

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

from seqline_plugins.errors import ServiceError, UserError

PATIENCE = 6.0
"""Seconds that a server given by its address has to answer."""
DEFAULT_PORTS = {"postgresql": 5432, "mysql": 3306, "mssql": 1433}
STORES = ("http", "https", "sqlite", *DEFAULT_PORTS, "databricks", "databricks-uc", "uc")
"""What MLflow keeps runs in; its store of plain files is retired."""
GOOD = (200, 401, 403)
"""What a server in health answers; whether a user may in is said when it is asked for more."""


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
    """Raise `ServiceError` when no Prefect server answers where `PREFECT_API_URL` says."""
    url = os.environ.get("PREFECT_API_URL")
    if not url:
        return
    status, kind = _last_answer(url.rstrip("/") + "/health")
    if status is None:
        raise ServiceError(
            f"PREFECT_API_URL={url}: no Prefect server answers there ({PATIENCE:.0f} s); start "
            "it, or unset the variable."
        )
    if status not in GOOD or "html" in kind:
        raise ServiceError(
            f"PREFECT_API_URL={url}: what answers there is not Prefect's API (status {status}); "
            "its address usually ends in /api."
        )


def check_tracking() -> None:
    """Raise an error when no store can be where `MLFLOW_TRACKING_URI` says.

    `ServiceError` where nothing answers, `UserError` for an address that no store can have.
    """
    uri = os.environ.get("MLFLOW_TRACKING_URI")
    if uri:
        check_store(uri, f"MLFLOW_TRACKING_URI={uri}")


def check_store(uri: str, name: str) -> None:
    """Raise an error, beginning with `name`, when no store can be at an address."""
    parts = urlsplit(uri)
    kind = parts.scheme.split("+")[0] or uri
    if kind not in STORES:
        raise UserError(
            f"{name}: found no address of a store, expected one as in http://HOST:5000 or "
            f"sqlite:////PATH/mlflow.db. Kinds: {', '.join(STORES)}."
        )
    if kind == "sqlite":
        folder = Path(uri.partition(":///")[2]).parent
        if not folder.is_dir():
            raise UserError(f"{name}: there is no folder {folder}.")
    elif kind in ("http", "https"):
        status, _ = _last_answer(uri.rstrip("/") + "/health")
        if status is not None and status not in GOOD:
            raise ServiceError(
                f"{name}: what answers there is not MLflow's tracking server (status {status})."
            )
        _refuse_silence(name, status is not None)
    elif kind in DEFAULT_PORTS and parts.hostname is not None:
        _refuse_silence(name, _connects(parts.hostname, parts.port or DEFAULT_PORTS[kind]))


def _refuse_silence(name: str, answered: bool) -> None:
    if not answered:
        raise ServiceError(
            f"{name}: nothing answers there ({PATIENCE:.0f} s); start the tracking server, or "
            "unset the variable."
        )


def _last_answer(url: str) -> tuple[int | None, str]:
    """Return the status and kind of an answer; no status when there is none in time.

    A server in trouble of its own (500 and above) is asked again, and then counts as away.
    """
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        try:
            with urllib.request.urlopen(url, timeout=2.0) as answer:
                return answer.status, answer.headers.get_content_type()
        except urllib.error.HTTPError as error:
            if error.code < 500:
                return error.code, ""
        except (OSError, ValueError, http.client.HTTPException):
            pass
        time.sleep(0.1)
    return None, ""


def _connects(host: str, port: int) -> bool:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        try:
            with socket.create_connection((host, port), timeout=2):
                return True
        except OSError:
            time.sleep(0.2)
    return False

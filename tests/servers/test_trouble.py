"""What passes is tried again, with growing delays; what does not is raised at once."""

from __future__ import annotations

import errno
import sqlite3
import subprocess
import threading
import urllib.error
from pathlib import Path
from typing import Any

import pytest
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from sqlalchemy.exc import OperationalError

from seqline.services import trouble
from seqline.services.address import free_port
from seqline.services.trouble import passes, patiently
from seqline_plugins.errors import ServiceError, UserError


def nowhere() -> BaseException:
    """Return what MLflow raises where no server answers."""
    try:
        MlflowClient(f"http://127.0.0.1:{free_port(0)}").get_run("x")
    except MlflowException as error:
        return error
    raise AssertionError


def locked(folder: Path) -> BaseException:
    """Return what SQLite raises when another writes."""
    first, second = (sqlite3.connect(folder / "x.db", timeout=0) for _ in range(2))
    first.execute("begin exclusive")
    try:
        second.execute("create table t (x)")
    except sqlite3.OperationalError as error:
        return MlflowException(OperationalError("create", {}, error))
    finally:
        first.close()
        second.close()
    raise AssertionError


def test_a_server_away_and_a_locked_database_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    assert passes(nowhere()) and passes(locked(tmp_path))
    assert passes(ConnectionRefusedError()) and passes(TimeoutError())
    wrapped = ServiceError("MLflow: …")
    wrapped.__cause__ = urllib.error.URLError(ConnectionResetError())
    wrapped.__cause__.__cause__ = ConnectionResetError()
    assert passes(wrapped)


@pytest.mark.parametrize(
    "error",
    [
        UserError("data.train: there is no such file"),
        OSError(errno.ENOSPC, "No space left on device"),
        MlflowException("database or disk is full"),
        ValueError("shapes"),
        MemoryError(),
    ],
)
def test_mistakes_and_full_disks_do_not(error: BaseException) -> None:
    assert not passes(error)


def test_it_is_tried_until_it_goes_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trouble, "DELAYS", (0.01,))
    left, heard = [ConnectionError(), TimeoutError()], []

    def action() -> str:
        if left:
            raise left.pop()
        return "done"

    assert patiently(action, given_up=threading.Event(), trouble=heard.append) == "done"
    assert len(heard) == 2


def test_it_is_given_up_when_told_or_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trouble, "DELAYS", (0.01,))
    given_up, heard = threading.Event(), []

    def action() -> None:
        raise ConnectionError

    with pytest.raises(ConnectionError):
        patiently(action, given_up=given_up, trouble=heard.append, patience=0.1)
    assert len(heard) > 1
    given_up.set()
    heard.clear()
    with pytest.raises(ConnectionError):
        patiently(action, given_up=given_up, trouble=heard.append)
    assert heard == []


def test_a_stage_is_tried_again_for_what_passes_only() -> None:
    from prefect.states import Failed

    from seqline.flow import _passes

    def again(error: Any) -> bool:
        return _passes(None, None, Failed(data=error))

    assert again(ConnectionResetError()) and not again(UserError("no such file"))
    assert not again(ValueError("x"))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.4", "example.org"])
def test_a_tracking_server_for_others_needs_authentication(host: str, tmp_path: Path) -> None:
    root = Path(__file__).parents[2] / "mlflow"
    settings = (root / "server.env").read_text().replace("HOST=127.0.0.1", f"HOST={host}")
    (tmp_path / "my.env").write_text(settings)
    done = subprocess.run(
        ["sh", root / "serve.sh", tmp_path / "my.env"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 2 and "AUTH=basic-auth" in done.stderr

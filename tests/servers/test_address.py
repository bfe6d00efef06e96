from __future__ import annotations

import http.server
import socket
import threading
from collections.abc import Iterator

import pytest

from seqline.services import address
from seqline.services.address import check_prefect, check_tracking, free_port
from seqline_plugins.errors import ServiceError, UserError


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(address, "PATIENCE", 0.3)


@pytest.fixture
def nowhere() -> str:
    return f"http://127.0.0.1:{free_port(0)}"


@pytest.fixture
def broken_server() -> Iterator[str]:
    """A server that answers every request with an error of its own."""

    class Broken(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(503)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Broken) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_an_address_where_nothing_answers_is_named(
    nowhere: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", nowhere)
    with pytest.raises(ServiceError, match=f"MLFLOW_TRACKING_URI={nowhere}"):
        check_tracking()
    monkeypatch.setenv("PREFECT_API_URL", f"{nowhere}/api")
    with pytest.raises(ServiceError, match=f"PREFECT_API_URL={nowhere}/api"):
        check_prefect()


def test_a_server_in_trouble_does_not_count_as_an_answer(
    broken_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", broken_server)
    with pytest.raises(ServiceError):
        check_tracking()


@pytest.fixture
def another_server() -> Iterator[str]:
    """A server of something else: a page at every address but one."""

    class Pages(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/health":
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Pages) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_server_of_something_else_is_told_apart(
    another_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", another_server)
    with pytest.raises(ServiceError, match="not MLflow's tracking server \\(status 404\\)"):
        check_tracking()
    monkeypatch.setenv("PREFECT_API_URL", f"{another_server}/pages")
    with pytest.raises(ServiceError, match=r"not Prefect's API.*usually ends in /api"):
        check_prefect()


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("sqlite:////nowhere/mlflow.db", "there is no folder /nowhere"),
        ("foo://bar", "found no address of a store"),
        ("./mlruns", "found no address of a store"),
    ],
)
def test_an_address_that_no_store_has_is_the_users_mistake(
    uri: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    with pytest.raises(UserError, match=message):
        check_tracking()


def test_a_database_that_is_away_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"postgresql://me@127.0.0.1:{free_port(0)}/mlflow")
    with pytest.raises(ServiceError, match="postgresql"):
        check_tracking()


def test_without_addresses_there_is_nothing_to_check(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    check_tracking()
    check_prefect()


def test_the_next_free_port_is_taken() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert port < free_port(port) < port + 100

"""A schedule that lets one run at a time, while Prefect's server is killed and started again."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from seqline.home import Home
from seqline.services.address import free_port, wait_for
from seqline.services.guard import stop
from seqline.services.prefect_server import STARTUP, start_server


@contextmanager
def server_at(home: Home, port: int) -> Iterator[subprocess.Popen[bytes]]:
    process = start_server(home, port, pages=False)
    try:
        assert wait_for(f"http://127.0.0.1:{port}/api/health", STARTUP)
        yield process
    finally:
        stop(process)


def places_taken(client: Any) -> int:
    (limit,) = client._client.post("/v2/concurrency_limits/filter", json={}).json()
    return int(limit["active_slots"])


@pytest.mark.slow
def test_the_place_of_a_run_is_free_after_it_though_the_server_was_killed_meanwhile(
    home_folder: Path,
) -> None:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.states import Completed, Pending, Running

    home, port = Home(home_folder), free_port(0)
    url = f"http://127.0.0.1:{port}/api"
    with server_at(home, port) as process, SyncPrefectClient(url) as client:
        flow = client.create_flow_from_name("seqline")
        deployment = client.create_deployment(flow_id=flow, name="nightly", concurrency_limit=1)
        run = client.create_flow_run_from_deployment(deployment).id
        client.set_flow_run_state(run, Pending())
        client.set_flow_run_state(run, Running())
        lease = client.read_flow_run(run).state.state_details.deployment_concurrency_lease_id
        assert places_taken(client) == 1 and lease is not None
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    with server_at(home, port), SyncPrefectClient(url) as client:
        client.renew_concurrency_lease(lease, 300)  # as a run does that goes on
        client.set_flow_run_state(run, Completed())
        assert places_taken(client) == 0

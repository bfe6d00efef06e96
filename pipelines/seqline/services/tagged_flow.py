"""Calling a flow so that its run has a tag, and its tasks have none.

Prefect's own `tags` block gives the tag to every task run as well. Before each of those its client
asks the server whether the tag has a limit; an SQLite database that is being written to answers
that it is busy, and the client waits two seconds before it asks again. Our tags name one run, and
have no limits.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal
from uuid import UUID

from prefect import Flow, get_client
from prefect.flow_engine import run_flow_sync


def call_tagged(
    flow: Flow[..., Any],
    parameters: Mapping[str, Any],
    tag: str,
    *,
    parent: str | None = None,
    returns: Literal["result", "state"] = "result",
) -> Any:
    """Call a flow on this thread; return its result or its state.

    Its run is the work of the task run `parent`, where that is given.
    """
    given = dict(parameters)
    with get_client(sync_client=True) as client:
        made = client.create_flow_run(
            flow,
            parameters=given,
            tags=[tag],
            parent_task_run_id=UUID(parent) if parent is not None else None,
        )
    return run_flow_sync(flow, flow_run=made, parameters=given, return_type=returns)

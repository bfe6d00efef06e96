"""What a schedule does with runs that meet, and with those that were missed.

The policies stand in the deployment as tags, so that they are seen in Prefect's pages and hold
for any worker that serves the pool.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

OVERLAP = {
    "skip": "a run that is due while one is under way is left out",
    "queue": "it waits for the other's end",
    "allow": "both run, each its own run in MLflow",
}
CATCH_UP = {
    "last": "of those missed only the newest is run",
    "all": "every one that was missed is run",
    "none": "none that was missed is run",
}
GRACE = 120.0
"""Seconds after which a run that has not begun counts as missed."""
QUEUED = "AwaitingConcurrencySlot"
"""Prefect's name for the state of a run that waits for another's end."""


def tags_of(overlap: str, catch_up: str) -> list[str]:
    """Return the tags that hold the policies."""
    return [f"overlap={overlap}", f"catch-up={catch_up}"]


def policy(tags: Iterable[str], name: str) -> str | None:
    """Return a policy from a run's or a deployment's tags, None where they hold none."""
    found = (tag.partition("=")[2] for tag in tags if tag.startswith(f"{name}="))
    return next(found, None)


def missed(flow_run: Any, client: Any, now: datetime | None = None) -> str | None:
    """Say why a scheduled run that comes late is not to be run, None if it is.

    One that only waited for another's end, and one that a person asked for, is not late.
    """
    rule = policy(flow_run.tags, "catch-up")
    due = flow_run.expected_start_time
    if rule in (None, "all") or not flow_run.auto_scheduled or due is None:
        return None
    now = now or datetime.now(UTC)
    late = (now - due).total_seconds()
    if late <= GRACE or _queued_in_time(flow_run, client):
        return None
    said = f"due at {due:%Y-%m-%d %H:%M} UTC, missed by {late / 60:.0f} min (catch-up={rule})"
    if rule == "none":
        return said
    return f"{said}; a newer one is due too" if _newer(flow_run, client, now) else None


def _queued_in_time(flow_run: Any, client: Any) -> bool:
    """Say whether it was there when it was due and waited for another's end.

    Those that were missed are taken up together, and all but the first of them wait too.
    """
    latest = flow_run.expected_start_time + timedelta(seconds=GRACE)
    states = client.read_flow_run_states(flow_run.id)
    return any(state.name == QUEUED and state.timestamp <= latest for state in states)


def _newer(flow_run: Any, client: Any, now: datetime) -> bool:
    from prefect.client.schemas.filters import (
        FlowRunFilter,
        FlowRunFilterDeploymentId,
        FlowRunFilterExpectedStartTime,
    )

    due = flow_run.expected_start_time
    until: Any = now
    later = FlowRunFilter(
        deployment_id=FlowRunFilterDeploymentId(any_=[flow_run.deployment_id]),
        expected_start_time=FlowRunFilterExpectedStartTime(after_=due, before_=until),
    )
    others = client.read_flow_runs(flow_run_filter=later)
    # with overlap=skip the first that is taken holds the place, and the newer ones are cancelled
    waiting = (one for one in others if one.state is None or not one.state.is_cancelled())
    return any(one.expected_start_time > due for one in waiting)

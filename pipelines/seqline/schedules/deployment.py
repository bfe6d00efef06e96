"""Schedules as Prefect deployments of the flow `seqline`: made, listed, paused, removed, run."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqline.home import Home
from seqline.schedules import FLOW, POOL
from seqline.schedules.policy import policy, tags_of
from seqline_plugins.errors import ServiceError, UserError, nearest

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient

FILES = ("train", "validation", "test", "file")
"""Keys of `data` that name files."""
MARK = "seqline-schedule"
"""The tag of our deployments."""
NAMED = ("task", "architecture", "cell", "trainer.seed")
"""Overrides that are parameters of the flow."""


@dataclass(frozen=True)
class Schedule:
    """A schedule as people see it; `due` and `last` are the next and the newest run."""

    name: str
    cron: str
    zone: str
    active: bool
    overlap: str
    catch_up: str
    overrides: list[str]
    due: datetime | None
    last: str
    id: Any


@contextmanager
def prefect_client(url: str) -> Iterator[SyncPrefectClient]:
    """Give a client of the server at `url`; its troubles become `ServiceError`."""
    import httpx
    from prefect.client.orchestration import SyncPrefectClient

    try:
        with SyncPrefectClient(url) as client:
            yield client
    except httpx.HTTPError as error:
        first = next(iter(str(error).splitlines()), type(error).__name__)
        raise ServiceError(f"Prefect's server at {url}: {first}") from error


def make_schedule(
    client: SyncPrefectClient,
    home: Home,
    config: Mapping[str, Any],
    overrides: Sequence[str],
    schedule: Any,
    *,
    name: str | None,
    overlap: str,
    catch_up: str,
) -> str:
    """Make the deployment and its schedule; return its name.

    `config` is what the overrides compose to. Every path in it becomes absolute, and the home
    and the tracking store of now are those of its runs. Raises `UserError` for a name that is
    taken.
    """
    from prefect.client.schemas.actions import DeploymentScheduleCreate
    from prefect.client.schemas.objects import ConcurrencyLimitStrategy, ConcurrencyOptions

    ensure_pool(client)
    known = {one.name for one in list_schedules(client)}
    if name in known:
        raise UserError(
            f"--name {name}: there is such a schedule already; `seqline schedule remove {name}` "
            "first, or choose another name."
        )
    parts = {part: config[part]["name"] for part in ("task", "architecture", "cell")}
    name = name or _free(f"{parts['task']}-{parts['cell']}", known)
    strategies = {
        "skip": ConcurrencyLimitStrategy.CANCEL_NEW,
        "queue": ConcurrencyLimitStrategy.ENQUEUE,
    }
    limited = overlap in strategies
    client.create_deployment(
        flow_id=client.create_flow_from_name(FLOW),
        name=name,
        description=f"`seqline run {' '.join(overrides)}` by schedule",
        schedules=[DeploymentScheduleCreate(schedule=schedule, active=True)],
        concurrency_limit=1 if limited else None,
        concurrency_options=(
            ConcurrencyOptions(collision_strategy=strategies[overlap]) if limited else None
        ),
        parameters={
            **parts,
            "seed": config["trainer"]["seed"],
            "overrides": stored_overrides(config, overrides),
        },
        tags=[MARK, *tags_of(overlap, catch_up)],
        work_pool_name=POOL,
        entrypoint="seqline.flow.pipeline",
        path=os.getcwd(),  # noqa: PTH109
        job_variables={"env": _environment(home), "working_dir": os.getcwd()},  # noqa: PTH109
        enforce_parameter_schema=False,
    )
    return name


def stored_overrides(config: Mapping[str, Any], overrides: Sequence[str]) -> list[str]:
    """Return the overrides that are no parameters, what they name on the disk absolute."""
    data = config["data"]
    places = {f"data.{key}": data[key] for key in FILES if data.get(key) is not None}
    repo = data.get("repo")
    if isinstance(repo, str) and Path(repo).is_dir():
        places["data.repo"] = repo
    left_out = {*NAMED, *places}
    kept = [text for text in overrides if text.partition("=")[0] not in left_out]
    kept += [f"{key}={_quoted(_absolute(value))}" for key, value in places.items()]
    if not any(text.startswith("tracking.promote=") for text in kept):
        kept.append("tracking.promote=better")
    return kept


def _absolute(value: Any) -> Any:
    if isinstance(value, list):
        return [_absolute(one) for one in value]
    return os.path.abspath(Path(value).expanduser())  # noqa: PTH100  (a glob stays one)


def _quoted(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ",".join(_quoted(one) for one in value) + "]"
    return "'" + str(value).replace("\\", "\\\\").replace("'", "\\'") + "'"


def _environment(home: Home) -> dict[str, str]:
    """Return the variables that a worker anywhere must set for the runs."""
    kept = {"SEQLINE_HOME": str(home.path)}
    uri = os.environ.get("MLFLOW_TRACKING_URI")
    return kept | ({"MLFLOW_TRACKING_URI": uri} if uri else {})


def _free(name: str, known: set[str]) -> str:
    number = 1
    wanted = name
    while wanted in known:
        number += 1
        wanted = f"{name}-{number}"
    return wanted


def ensure_pool(client: SyncPrefectClient) -> None:
    """Make the work pool if it is not there."""
    from prefect.client.schemas.actions import WorkPoolCreate
    from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound

    try:
        client.read_work_pool(POOL)
    except ObjectNotFound:
        try:
            client.create_work_pool(WorkPoolCreate(name=POOL, type="process"))
        except ObjectAlreadyExists:
            return


def workers_online(client: SyncPrefectClient) -> int:
    """Return how many workers serve the pool now."""
    answer = client._client.post(f"/work_pools/{POOL}/workers/filter", json={})
    answer.raise_for_status()
    return sum(one["status"] == "ONLINE" for one in answer.json())


def list_schedules(client: SyncPrefectClient) -> list[Schedule]:
    """Return all schedules by name."""
    from prefect.client.schemas.filters import (
        DeploymentFilter,
        DeploymentFilterTags,
    )

    ours = DeploymentFilter(tags=DeploymentFilterTags(all_=[MARK]))
    found = client.read_deployments(deployment_filter=ours)
    return sorted((_schedule(client, one) for one in found), key=lambda one: one.name)


def _schedule(client: SyncPrefectClient, made: Any) -> Schedule:
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterDeploymentId
    from prefect.client.schemas.sorting import FlowRunSort

    of_it = FlowRunFilter(deployment_id=FlowRunFilterDeploymentId(any_=[made.id]))
    runs = client.read_flow_runs(
        flow_run_filter=of_it, sort=FlowRunSort.EXPECTED_START_TIME_DESC, limit=200
    )
    now = datetime.now(UTC)
    waiting = [one for one in runs if one.state is not None and one.state.is_scheduled()]
    due = [one.expected_start_time for one in waiting if one.expected_start_time]
    begun = [one for one in runs if one not in waiting]
    last = begun[0] if begun else None
    active = not made.paused and all(one.active for one in made.schedules)
    cron = made.schedules[0].schedule if made.schedules else None
    parameters = made.parameters
    parts = [f"{part}={parameters[part]}" for part in ("task", "architecture", "cell")]
    return Schedule(
        made.name,
        cron.cron if cron is not None else "",
        (cron.timezone if cron is not None else None) or "UTC",
        active,
        policy(made.tags, "overlap") or "",
        policy(made.tags, "catch-up") or "",
        [*parts, f"trainer.seed={parameters['seed']}", *parameters["overrides"]],
        min((one for one in due if one > now), default=None) if active else None,
        f"{last.state.name} {last.start_time or last.expected_start_time:%Y-%m-%d %H:%M}"
        if last is not None and last.state is not None
        else "",
        made.id,
    )


def find_schedule(client: SyncPrefectClient, name: str) -> Schedule:
    """Return a schedule by its name; raises `UserError` for one that there is not."""
    known = {one.name: one for one in list_schedules(client)}
    if name not in known:
        listed = ", ".join(known) or "none"
        raise UserError(
            f"{name}: there is no such schedule.{nearest(name, known)} Schedules: {listed}."
        )
    return known[name]


def set_active(client: SyncPrefectClient, schedule: Schedule, *, active: bool) -> None:
    """Pause a schedule, or have it go on; runs that it has made for later go with the pause."""
    change = client.resume_deployment if active else client.pause_deployment
    change(schedule.id)


def remove_schedule(client: SyncPrefectClient, schedule: Schedule) -> None:
    """Remove a schedule; what it has run stays."""
    client.delete_deployment(schedule.id)


def run_now(client: SyncPrefectClient, schedule: Schedule) -> str:
    """Have a worker run it now, beside its schedule; return the flow run's name."""
    return str(client.create_flow_run_from_deployment(schedule.id).name)

"""Telling MLflow and Prefect of runs whose process was killed: they cannot say so themselves."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from filelock import Timeout

from seqline.home import Home
from seqline.runs.attempt import lock_of
from seqline.runs.record import RunRecord, load, records, save
from seqline.sweep import record as sweep_records
from seqline.sweep.record import SweepRecord
from seqline_plugins.errors import UserError

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient


def settle_tracking(home: Home, client: MlflowClient) -> None:
    """Mark in MLflow every run that ended without saying so there, as KILLED or as it ended."""
    from mlflow.exceptions import MlflowException

    for record in ended(home, "mlflow"):
        if record.tracking != home.tracking_name:
            continue
        with _held(home, record) as held:
            if held is None or "mlflow" not in held.unmarked:
                continue
            try:
                run_id = held.run_id
                if run_id is None and held.experiment is not None:
                    from seqline.tracking.run import run_of_key  # which builds on this module

                    run_id = run_of_key(client, held.experiment, held.key)
                if run_id is not None:
                    _mark(client, run_id, held)
            except MlflowException as error:
                if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                    continue  # the next command tries again
            del held.unmarked["mlflow"]
            save(home, held)
    for sweep in _ended_sweeps(home, "mlflow"):
        if sweep.tracking == home.tracking_name:
            _kill_parents(client, sweep)
            del sweep.unmarked["mlflow"]
            sweep_records.save(home, sweep)


def _kill_parents(client: MlflowClient, sweep: SweepRecord) -> None:
    from mlflow.exceptions import MlflowException

    for run_id in sweep.parents.values():
        with suppress(MlflowException):  # it was deleted
            if client.get_run(run_id).info.status == "RUNNING":
                client.set_tag(run_id, "failure", "the sweep's process ended without a word")
                client.set_terminated(run_id, "KILLED")


def _ended_sweeps(home: Home, where: str) -> Iterator[SweepRecord]:
    """Yield sweeps, held meanwhile, that nobody is at and of which one is still to be told."""
    for record in sweep_records.sweeps(home):
        if where not in record.unmarked:
            continue
        lock = sweep_records.lock_of(home, record.key)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            continue
        try:
            yield sweep_records.load(home, record.key)
        finally:
            lock.release()


def _mark(client: MlflowClient, run_id: str, record: RunRecord) -> None:
    run = client.get_run(run_id)
    if run.info.status == "FINISHED":
        record.status = "finished"
    if run.info.status != "RUNNING":
        return
    at = record.attempts[-1]
    why = f"its process ended without a word ({at['host']}, process {at['pid']})"
    client.set_tag(run_id, "failure", why)
    client.set_terminated(run_id, record.unmarked["mlflow"])


def settle_prefect(home: Home, url: str) -> None:
    """Mark as CRASHED the flow runs, and their tasks, of runs that ended without saying so.

    `url` is the address of the server's API.
    """
    import httpx

    for record in ended(home, "prefect"):
        with _held(home, record) as held:
            if held is None or "prefect" not in held.unmarked:
                continue
            try:
                crash_flow_runs(held, url)
            except (httpx.HTTPError, OSError):
                continue  # the next command tries again
            del held.unmarked["prefect"]
            save(home, held)
    for sweep in _ended_sweeps(home, "prefect"):
        try:
            crash_flow_runs(sweep, url)
        except (httpx.HTTPError, OSError):
            continue
        del sweep.unmarked["prefect"]
        sweep_records.save(home, sweep)


def crash_flow_runs(record: RunRecord | SweepRecord, url: str) -> None:
    """Mark as CRASHED what Prefect still takes to be running of what has no process any more."""
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.filters import (
        FlowRunFilter,
        FlowRunFilterId,
        FlowRunFilterTags,
        TaskRunFilter,
    )
    from prefect.states import Crashed

    with SyncPrefectClient(url) as client:
        tagged = FlowRunFilter(tags=FlowRunFilterTags(all_=[record.tag]))
        for flow_run in client.read_flow_runs(flow_run_filter=tagged):
            state: Any = Crashed(message="Its process ended without a word.")
            of_run = FlowRunFilter(id=FlowRunFilterId(any_=[flow_run.id]))
            tasks = client.read_task_runs(flow_run_filter=of_run, task_run_filter=TaskRunFilter())
            for task_run in tasks:
                if task_run.state is None or not task_run.state.is_final():
                    client.set_task_run_state(task_run.id, state, force=True)
            if flow_run.state is None or not flow_run.state.is_final():
                client.set_flow_run_state(flow_run.id, state, force=True)


def ended(home: Home, where: str) -> Iterator[RunRecord]:
    """Yield the records of runs of which MLflow or Prefect may have to be told."""
    for record in records(home, unfinished=True):
        if where in record.unmarked:
            yield record


@contextmanager
def _held(home: Home, record: RunRecord) -> Iterator[RunRecord | None]:
    """Hold a run that nobody is at, None for one that somebody is; a killed one is noted so."""
    lock = lock_of(home, record.key)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        yield None
        return
    try:
        try:
            held = load(home, record.key)
        except UserError:
            yield None
            return
        if held.status == "running":
            held.status = "killed"
            save(home, held)
        yield held
    finally:
        lock.release()

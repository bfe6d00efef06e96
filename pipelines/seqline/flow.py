"""The pipeline as a Prefect flow: prepare → train → evaluate → export.

A deployment calls `pipeline` with plain parameters; the command line composes first, so that a
mistake is refused before anything starts, and calls `run_pipeline`.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import Any

from prefect import flow, get_client, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.context import FlowRunContext
from prefect.runtime import flow_run, task_run
from prefect.settings import PREFECT_API_URL
from prefect.states import Cancelled
from prefect.utilities.urls import url_for

from seqline import stages
from seqline.artifacts import TrainingOnPage, leave_result
from seqline.config.compose import compose
from seqline.home import open_home, quiet_environment
from seqline.reporter import Reporter, WarningReporter
from seqline.retraining import settle_champion
from seqline.runs.attempt import Attempt
from seqline.runs.claim import claim
from seqline.runs.record import RunRecord
from seqline.schedules.policy import missed, policy
from seqline.services.address import check_tracking
from seqline.services.tagged_flow import call_tagged
from seqline.services.trouble import passes
from seqline.services.ui import tracking_pages
from seqline.stages.folder import StageResult, Workspace, read_json
from seqline.stages.train import machine, threads_of_before, use_threads
from seqline.startup import started
from seqline.tracking.background import Tracking
from seqline.tracking.run import TrackedRun, history_of
from seqline.tracking.settle import crash_flow_runs, settle_prefect
from seqline.training.loop import Watchers
from seqline_plugins.errors import SeqlineError, UserError
from seqline_plugins.recurrence.generated.compiler import compiled_code

Config = Mapping[str, Any]
STAGE_DELAYS = [5.0, 30.0, 120.0]
"""Seconds before a stage that failed in a way that passes is tried again."""


@dataclass(frozen=True)
class RunReport:
    """What a finished run leaves."""

    run_id: str
    primary: str
    direction: str
    metrics: dict[str, float]
    baseline: dict[str, float]
    samples: list[str]
    export: str
    registered: str | None
    folders: dict[str, str]
    reused: list[str]
    warnings: list[str]
    minutes: float
    mlflow_page: str | None = None


@dataclass
class Session:
    """What the stages of one run share beside their parameters."""

    attempt: Attempt
    reporter: Reporter
    tracking: Tracking
    lasting_server: bool = True
    results: dict[str, StageResult] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    @property
    def config(self) -> Config:
        """The composed configuration."""
        return self.attempt.record.config

    @property
    def workspace(self) -> Workspace:
        """What the stages share; those that the run has finished before are not made again."""
        record = self.attempt.record
        return Workspace(
            self.attempt.home, self.reporter, record.fresh, record.stages, self.attempt.note_stage
        )


_session: ContextVar[Session] = ContextVar("seqline_session")
_reports: dict[str, RunReport] = {}


def _task_name() -> str:
    names = _session.get().config
    model = f"{names['cell']['name']}, {names['architecture']['name']}"
    of_stage = {
        "prepare": f"prepare {names['task']['name']} ({names['data']['source']})",
        "train": f"train {model}",
        "evaluate": f"evaluate {model} on test",
        "export": f"export {model}",
    }
    return of_stage[task_run.task_name]


def _flow_name() -> str:
    parameters = flow_run.parameters
    model = f"{parameters['cell']} {parameters['architecture']}"
    return f"{parameters['task']}: {model}, seed {parameters['seed']}"


def _passes(of: Any, task_run: Any, state: Any) -> bool:
    """Say whether a stage's failure passes by itself: a server away, a lock, never a mistake."""
    error = state.data
    return isinstance(error, Exception) and not isinstance(error, UserError) and passes(error)


def _stage(name: str) -> Any:
    return task(
        name=name,
        task_run_name=_task_name,
        cache_policy=NO_CACHE,
        persist_result=False,
        retries=len(STAGE_DELAYS),
        retry_delay_seconds=STAGE_DELAYS,
        retry_condition_fn=_passes,
    )


@_stage("prepare")
def prepare() -> str:
    """Read and encode the data; return the folder's digest."""
    session = _session.get()
    return _done(session, stages.prepare(session.config, session.workspace))


@_stage("train")
def train(prepared: str) -> str:
    """Train the model on the prepared data; return the folder's digest."""
    session = _session.get()
    attempt = session.attempt
    reporter = TrainingOnPage(session.reporter)
    watchers = Watchers(reporter, attempt.checkpoints, session.tracking.put, attempt.points.time_of)
    of = session.results
    workspace = replace(session.workspace, reporter=reporter)
    result = stages.train(session.config, workspace, of["prepare"], watchers)
    return _done(session, result)


@_stage("evaluate")
def evaluate(prepared: str, trained: str) -> str:
    """Score the best weights on the test split; return the folder's digest."""
    session = _session.get()
    of = session.results
    result = stages.evaluate(session.config, session.workspace, of["prepare"], of["train"])
    return _done(session, result)


@_stage("export")
def export(prepared: str, trained: str, evaluated: str) -> str:
    """Write the folder that others load; return its digest."""
    session = _session.get()
    of = session.results
    result = stages.export(
        session.config, session.workspace, of["prepare"], of["train"], of["evaluate"]
    )
    return _done(session, result)


def _done(session: Session, result: StageResult) -> str:
    session.results[result.name] = result
    return result.digest


@flow(name="seqline", flow_run_name=_flow_name, persist_result=False, validate_parameters=True)
def pipeline(
    task: str = "pos_tagging",
    architecture: str = "many_to_many",
    cell: str = "lstm",
    seed: int = 0,
    overrides: list[str] | None = None,
) -> dict[str, Any] | State:
    """Run the pipeline: data in, exported model out, the run in MLflow.

    The parameters are those of `seqline run`; `overrides` are any others, "trainer.lr=0.002".
    A scheduled run that was missed ends as the schedule's policy says.
    """
    session = _session.get(None)
    if session is not None:
        return _run(session)
    quiet_environment()
    apart, skipped = _scheduled()
    if skipped is not None:
        return Cancelled(name="Skipped", message=skipped)
    chosen = [f"task={task}", f"architecture={architecture}", f"cell={cell}"]
    config = compose([*chosen, f"trainer.seed={seed}", *(overrides or [])])
    check_tracking()
    reporter = WarningReporter()
    found = claim(config, open_home(), reporter, overrides=overrides or [], apart=apart)
    with found.held() as attempt:
        settle_prefect(attempt.home, str(PREFECT_API_URL.value()))
        token = _session.set(Session(attempt, reporter, Tracking(attempt, reporter)))
        try:
            return _run(_session.get())
        finally:
            _session.reset(token)


def _scheduled() -> tuple[str | None, str | None]:
    """Return what sets a scheduled run apart from its twins, and why it is not to be run."""
    context = FlowRunContext.get()
    if context is None or context.flow_run is None:
        return None, None
    own = context.flow_run
    with get_client(sync_client=True) as client:
        skipped = missed(own, client)
    return (str(own.id) if policy(own.tags, "overlap") == "allow" else None), skipped


def _run(session: Session) -> dict[str, Any]:
    at = session.results
    _link_flow_run(session)
    with _tracked(session) as tracking, threads_of_before(_same_machine(session)):
        prepared = prepare()
        begun = tracking.begin()  # after the data: those refused leave nothing in the store
        session.attempt.note(data=read_json(at["prepare"].folder / "summary.json")["digest"])
        logged: list[Future[Any]] = [tracking.later(lambda run: run.log_data(at["prepare"]))]
        begun.result()  # a store that cannot be used is said before the training
        started()
        trained = train(prepared)
        logged.append(tracking.later(lambda run: run.log_training(at["train"])))
        if at["train"].reused:
            for point in history_of(at["train"]):
                tracking.put(*point)
        evaluated = evaluate(prepared, trained)
        logged.append(tracking.later(lambda run: run.log_results(at["evaluate"])))
        export(prepared, trained, evaluated)
        example = stages.first_example(session.config, at["prepare"])
        registered = tracking.later(lambda run: run.log_export(at["export"], example))
        for done in (*logged, registered):
            done.result()
        made = registered.result()
        if made is not None and session.config["tracking"]["promote"] == "better":
            settle_champion(tracking, session.attempt.home, made, at, session.reporter)
        run = tracking.later(lambda run: run).result()
    session.attempt.note(status="finished")
    report = _report(session, run, made)
    leave_result(report.metrics, report.baseline, report.mlflow_page)
    _reports[report.run_id] = report
    return {"run_id": report.run_id, "export": report.export, "metrics": report.metrics}


def _same_machine(session: Session) -> int | None:
    """Return how many threads the run had before; say where the machine is not the same."""
    attempt = session.attempt
    before = attempt.record.machine
    use_threads(session.config["trainer"])
    now = {"host": socket.gethostname(), **machine(session.config["trainer"]), **compiled_code()}
    if not before:
        attempt.note(machine=now)
        return None
    different = [key for key in now if key != "threads" and now[key] != before.get(key, now[key])]
    if different:
        warning = (
            f"the run began on {before.get('host')} and goes on here ({', '.join(different)} "
            "not the same): to the same bits only where hardware and compiled code agree."
        )
        session.warnings.append(warning)
        session.tracking.tags |= {"other_machine": warning}
        session.reporter.warn(warning)
    return int(before["threads"])


@contextlib.contextmanager
def _tracked(session: Session) -> Iterator[Tracking]:
    """Give the MLflow run, and end it with what became of it."""
    tracking = session.tracking
    tracking.tags |= _flow_run_tags(session)
    try:
        yield tracking
    except BaseException as error:
        killed = not isinstance(error, Exception)
        why = str(error) if isinstance(error, SeqlineError) else f"{type(error).__name__}: {error}"
        refused = isinstance(error, UserError)
        tracking.end("KILLED" if killed else "FAILED", why.strip(), refused=refused)
        raise
    for warning in tracking.end("FINISHED"):
        session.warnings.append(warning)
        session.reporter.warn(warning)


def _link_flow_run(session: Session) -> None:
    """Tag the flow run with the run's key, and note it in the record."""
    context = FlowRunContext.get()
    if context is None or context.flow_run is None:
        return
    session.attempt.note_flow_run(str(context.flow_run.id))
    tag = session.attempt.record.tag
    if tag not in context.flow_run.tags:  # a deployment made it, before the run had a record
        with get_client(sync_client=True) as client:
            client.update_flow_run(context.flow_run.id, tags=[*context.flow_run.tags, tag])


def _flow_run_tags(session: Session) -> dict[str, str]:
    """Return the tags that lead from the MLflow run to the flow run."""
    context = FlowRunContext.get()
    if context is None or context.flow_run is None:
        return {}
    tags = {"prefect.flow_run": str(context.flow_run.id)}
    if session.lasting_server and (page := url_for(context.flow_run)) is not None:
        tags["prefect.url"] = page
    return tags


def _report(session: Session, run: TrackedRun, registered: str | None) -> RunReport:
    at = session.results
    results = read_json(at["evaluate"].folder / "metrics.json")
    pages = tracking_pages(session.attempt.home)
    return RunReport(
        run_id=run.run_id,
        primary=results["primary"],
        direction=results["direction"],
        metrics=results["metrics"],
        baseline=results["baseline"],
        samples=read_json(at["evaluate"].folder / "samples.json"),
        export=str(at["export"].folder / "model"),
        registered=registered,
        folders={name: str(result.folder) for name, result in at.items()},
        reused=[name for name, result in at.items() if result.reused],
        warnings=[*results["warnings"], *session.warnings],
        minutes=read_json(at["train"].folder / "summary.json")["minutes"],
        mlflow_page=pages + run.page if pages is not None else None,
    )


def run_pipeline(
    attempt: Attempt,
    *,
    reporter: Reporter,
    tracking: Tracking,
    lasting_server: bool = True,
    task_run: str | None = None,
) -> RunReport:
    """Run the pipeline for a run that this process holds, on this thread; return what it leaves.

    Prefect's server is expected at `PREFECT_API_URL` (see `seqline.launch`); one that is not
    `lasting_server` is gone after the run, and no links are made to it. A sweep's child is the
    work of a `task_run`.
    """
    record = attempt.record
    settle_prefect(attempt.home, str(PREFECT_API_URL.value()))
    if attempt.number > 1:
        crash_flow_runs(record, str(PREFECT_API_URL.value()))
    token = _session.set(Session(attempt, reporter, tracking, lasting_server))
    try:
        result = _call(record, task_run)
    finally:
        _session.reset(token)
    return _reports.pop(result["run_id"])


def _call(record: RunRecord, task_run: str | None) -> dict[str, Any]:
    """Call the flow; as a child of the task run, where there is one."""
    parameters = {part: record.config[part]["name"] for part in ("task", "architecture", "cell")}
    parameters |= {"seed": record.config["trainer"]["seed"], "overrides": record.overrides}
    result = call_tagged(pipeline, parameters, record.tag, parent=task_run)
    assert isinstance(result, dict)  # only a run of a schedule is skipped
    return result

"""A sweep as a Prefect flow: a task a child, the child a flow run in a process of its own."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Protocol

from prefect import flow, task
from prefect.artifacts import (
    create_link_artifact,
    create_markdown_artifact,
    create_progress_artifact,
    update_progress_artifact,
)
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.context import FlowRunContext
from prefect.runtime import flow_run, task_run
from prefect.states import Cancelled, Completed, Failed
from prefect.task_runners import ThreadPoolTaskRunner

from seqline.config.compose import compose
from seqline.services.tagged_flow import call_tagged
from seqline.startup import started
from seqline.sweep.child import GRACE, PRUNE, STOP, Job
from seqline.sweep.parents import Parents
from seqline.sweep.plan import Draw, Plan
from seqline.sweep.process import ChildProcess, Outcome
from seqline.sweep.record import SweepAttempt
from seqline.sweep.space import Space
from seqline_plugins.errors import SeqlineError


class SweepReporter(Protocol):
    """Hears how the children do, from several threads."""

    def began(self, number: int, title: str) -> None:
        """Hear that a child's process starts."""

    def heard(self, number: int, message: Mapping[str, Any]) -> None:
        """Hear a child's message."""

    def ended(self, number: int, outcome: Outcome) -> None:
        """Hear how a child ended."""


@dataclass
class Sweep:
    """A sweep under way: what its tasks share.

    done      how many children have ended, those of before too
    troubles  how the children ended that did not finish, by title
    conclude  gives the table in Markdown and links to MLflow, by name, at the end
    overrides_for  gives a child's overrides from the values of the axes
    """

    attempt: SweepAttempt
    space: Space
    plan: Plan
    parents: Parents
    reporter: SweepReporter
    name: str
    parallel: int
    url: str
    lasting: bool
    done: int
    conclude: Callable[[], tuple[str, Mapping[str, str]]]
    overrides_for: Callable[[Mapping[str, str]], list[str]]
    troubles: dict[str, Outcome] = field(default_factory=dict)
    waiting: dict[int, Draw] = field(default_factory=dict)
    running: dict[int, ChildProcess] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)
    stopped: bool = False
    progress: Any = None
    error: BaseException | None = None

    def __post_init__(self) -> None:
        self.room = threading.Semaphore(self.parallel)

    def stop(self) -> None:
        """Have every child write its checkpoint and end, and wait for it."""
        with self.lock:
            self.stopped = True
            running = list(self.running.values())
        for process in running:
            process.tell(STOP)
        for _ in range(self.parallel):
            self.room.acquire(timeout=GRACE + 10)


_sweep: ContextVar[Sweep] = ContextVar("seqline_sweep")


def _flow_name() -> str:
    return str(flow_run.parameters["name"])


def _task_name() -> str:
    return str(task_run.parameters["title"])


class ChildError(SeqlineError):
    """A child failed; the sweep goes on."""


@task(
    name="child",
    task_run_name=_task_name,
    cache_policy=NO_CACHE,
    persist_result=False,
    retries=0,
)
def child(number: int, title: str) -> State:
    """Run one child in a process of its own, and wait for its end."""
    sweep = _sweep.get()
    try:
        outcome = _run_child(sweep, number, title)
    finally:
        sweep.room.release()
    if outcome.status == "failed":
        raise ChildError(outcome.error)
    if outcome.status == "pruned":
        return Completed(name="Pruned", message="ended early: others do better")
    if outcome.status == "interrupted":
        return Cancelled(message=outcome.error)
    return Completed(message=f"{outcome.primary} {outcome.value:.4f}")


def _run_child(sweep: Sweep, number: int, title: str) -> Outcome:
    with sweep.lock:
        draw = sweep.waiting.pop(number)
    try:
        overrides = sweep.overrides_for(draw.values)
        parent = sweep.parents.of(compose(overrides))
        key = sweep.attempt.record.key
        job = Job(overrides, key, parent, title, str(task_run.id), sweep.lasting)
        log = sweep.attempt.folder / "children" / f"{number:04d}.log"
        process = ChildProcess(job, log, sweep.url)
        with sweep.lock:
            sweep.running[number] = process
            stopped = sweep.stopped
        if stopped:
            process.tell(STOP)
        sweep.reporter.began(number, title)

        def hear(message: Mapping[str, Any]) -> None:
            sweep.reporter.heard(number, message)
            if message["kind"] == "training" and sweep.plan.heard(draw, message):
                process.tell(PRUNE)

        outcome = process.run(hear)
    except Exception as error:  # it is this child's alone
        said = str(error) if isinstance(error, SeqlineError) else f"{type(error).__name__}: {error}"
        outcome = Outcome("failed", said)
    sweep.plan.ended(draw, outcome)
    _note_end(sweep, number, title, outcome)
    return outcome


def _note_end(sweep: Sweep, number: int, title: str, outcome: Outcome) -> None:
    with sweep.lock:
        sweep.running.pop(number, None)
        if outcome.status != "finished":
            sweep.troubles[title] = outcome
        if outcome.status != "interrupted":
            sweep.done += 1
        share = 100 * sweep.done / max(1, sweep.plan.size)
    sweep.reporter.ended(number, outcome)
    with contextlib.suppress(Exception):  # what is only shown is not worth a child
        if outcome.status == "failed":
            sweep.parents.settle()
        update_progress_artifact(sweep.progress, progress=share)


@flow(
    name="seqline-sweep",
    flow_run_name=_flow_name,
    persist_result=False,
    validate_parameters=False,
)
def sweep_flow(name: str, overrides: list[str]) -> State:
    """Run the children, at most `sweep.parallel` at a time; one that fails leaves the others be."""
    sweep = _sweep.get()
    context = FlowRunContext.get()
    if context is not None and context.flow_run is not None:
        sweep.attempt.note_flow_run(str(context.flow_run.id))
    sweep.progress = create_progress_artifact(
        progress=100 * sweep.done / max(1, sweep.plan.size),
        key="sweep-progress",
        description=f"Children of {name} that are done, of {sweep.plan.size}",
    )
    try:
        _submit_all(sweep)
        for _ in range(sweep.parallel):
            sweep.room.acquire()
        leave_artifacts(*sweep.conclude())
    except BaseException as error:
        sweep.error = error
        sweep.stop()
        raise
    failed = [title for title, one in sweep.troubles.items() if one.status == "failed"]
    if failed:
        return Failed(message=f"{len(failed)} of {sweep.plan.size} failed: {'; '.join(failed)}")
    return Completed(message=f"{sweep.plan.size} children")


def _submit_all(sweep: Sweep) -> None:
    draws = sweep.plan.draws()
    while True:
        sweep.room.acquire()  # before the next is drawn: a search knows more by then
        draw = next(draws, None)
        if draw is None:
            sweep.room.release()
            return
        with sweep.lock:
            sweep.waiting[draw.number] = draw
        child.submit(draw.number, sweep.space.title(draw.values))


def run_sweep(sweep: Sweep) -> None:
    """Run the flow on this thread; what became of the children is in `sweep.troubles`."""
    started()
    token = _sweep.set(sweep)
    try:
        runner: Any = ThreadPoolTaskRunner(max_workers=sweep.parallel)
        of_runner = sweep_flow.with_options(task_runner=runner)
        record = sweep.attempt.record
        parameters = {"name": sweep.name, "overrides": record.overrides}
        call_tagged(of_runner, parameters, record.tag, returns="state")
    finally:
        _sweep.reset(token)
    if sweep.error is not None:
        raise sweep.error


def leave_artifacts(table: str, links: Mapping[str, str]) -> None:
    """Leave the table and links to the parents in MLflow on the flow run's page."""
    create_markdown_artifact(key="sweep-result", markdown=table, description="Means over seeds")
    for name, link in links.items():
        create_link_artifact(key=f"mlflow-{name}", link=link, link_text="The sweep in MLflow")

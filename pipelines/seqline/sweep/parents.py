"""The sweep's own runs in MLflow: one for each experiment, above its children."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from seqline.services.trouble import patiently
from seqline.sweep.record import SweepAttempt
from seqline.sweep.space import Space
from seqline.tracking.run import as_parameter, user
from seqline.tracking.settle import settle_tracking
from seqline.tracking.store import SWEEP, VIEW, experiment_id, open_store, share_sweep

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

SWEEP_KEY = "seqline.sweep"
"""The tag of a sweep's own run, which is none of the pipeline."""
Config = Mapping[str, Any]
T = TypeVar("T")


class Parents:
    """The runs above the children, made when the first child of an experiment begins."""

    def __init__(
        self, attempt: SweepAttempt, space: Space, name: str, warn: Callable[[str], None]
    ) -> None:
        self._attempt, self._space, self._name, self._warn = attempt, space, name, warn
        self._lock, self._given_up = threading.Lock(), threading.Event()
        self.client: MlflowClient = self._patiently(lambda: open_store(attempt.home))
        self._open: set[str] = set()
        self.settle()

    def settle(self) -> None:
        """Have children that were killed marked so."""
        settle_tracking(self._attempt.home, self.client)

    def of(self, config: Config) -> str:
        """Return the id of the parent of a child, set to RUNNING."""
        name = config["tracking"]["experiment"] or config["task"]["name"]
        with self._lock:
            return self._patiently(lambda: self._of(name, config))

    def _of(self, experiment_name: str, config: Config) -> str:
        record = self._attempt.record
        experiment = experiment_id(self.client, self._attempt.home, experiment_name)
        run_id = record.parents.get(experiment) or self._found(experiment)
        if run_id is None:
            run_id = self._make(experiment, config)
        elif experiment not in self._open:
            self.client.update_run(run_id, status="RUNNING")
        if record.parents.get(experiment) != run_id:
            self._attempt.note(parents={**record.parents, experiment: run_id})
        self._open.add(experiment)
        return run_id

    def _found(self, experiment: str) -> str | None:
        """Return the parent that an attempt made that was killed before it noted it."""
        where = f"tags.`{SWEEP_KEY}` = '{self._attempt.record.key}'"
        runs = self.client.search_runs([experiment], where, max_results=1)
        return str(runs[0].info.run_id) if runs else None

    def _make(self, experiment: str, config: Config) -> str:
        from seqline.stages.train import primary_metric
        from seqline_plugins.build import build_task

        record, task = self._attempt.record, config["task"]["name"]
        lowest = primary_metric(build_task(config["task"]), config).direction == "lower"
        tags = {"mlflow.user": user(), SWEEP_KEY: record.key, SWEEP: record.key, "task": task}
        run = self.client.create_run(experiment, run_name=self._name, tags=tags)
        for axis in self._space.axes:
            shown = ", ".join(axis.values) if axis.interval is None else str(axis.interval)
            self.client.log_param(run.info.run_id, as_parameter(axis.key), shown[:500])
        share_sweep(self.client, experiment, record.key, lowest=lowest)
        return str(run.info.run_id)

    def tag(self, **tags: str) -> None:
        """Set tags of every parent."""
        for run_id in self._attempt.record.parents.values():
            for key, value in tags.items():
                self.client.set_tag(run_id, key, value)

    def end(self, status: str, note: str, figures: Mapping[str, float], failure: str = "") -> None:
        """End every parent as FINISHED, FAILED or KILLED, its table as its note."""
        for run_id in self._attempt.record.parents.values():

            def close(run_id: str = run_id) -> None:
                if note:
                    self.client.set_tag(run_id, "mlflow.note.content", note)
                for key, value in figures.items():
                    self.client.log_metric(run_id, key, value)
                if failure:
                    self.client.set_tag(run_id, "failure", failure[:500])
                elif "failure" in self.client.get_run(run_id).data.tags:
                    self.client.delete_tag(run_id, "failure")
                self.client.set_terminated(run_id, status)

            self._patiently(close)
        self._attempt.marked("mlflow")

    def pages(self) -> Sequence[str]:
        """Return the parents' places in MLflow's pages, after their address."""
        parents = self._attempt.record.parents
        return [f"/#/experiments/{place}/runs/{run_id}{VIEW}" for place, run_id in parents.items()]

    def give_up(self) -> None:
        """Try nothing again from here on."""
        self._given_up.set()

    def _patiently(self, action: Callable[[], T]) -> T:
        def trouble(error: BaseException) -> None:
            self._warn(f"MLflow: {str(error).splitlines()[0]}; tried again.")

        return patiently(action, given_up=self._given_up, trouble=trouble)

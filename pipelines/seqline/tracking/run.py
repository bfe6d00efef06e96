"""One run of the pipeline as one MLflow run, by its id; the thread's active run is not used."""

from __future__ import annotations

import getpass
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqline.home import Home
from seqline.provenance import git_commit, plugins_used
from seqline.runs.attempt import Attempt
from seqline.stages.folder import StageResult, read_json
from seqline.tracking.models import log_model, register_model
from seqline.tracking.pictures import draw_learning_curve
from seqline.tracking.settle import settle_tracking
from seqline.tracking.store import SWEEP, VIEW, as_default, experiment_id, open_store
from seqline_plugins.errors import UserError

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

LONGEST = 500
"""Characters of a parameter, and of the reason of a failure, that every store can hold."""
AT_ONCE = 100
"""Parameters or tags in one request, MLflow's own limit."""
KEY = "seqline.run"
"""The tag that holds the key of the run's record."""
TELLING = ("architecture.", "cell.", "trainer.", "task.", "loss.", "decode.")
"""Sections whose options tell one run from another; those in `UNTOLD` do not."""
UNTOLD = ("trainer.seed", "trainer.threads", "trainer.device", "trainer.checkpoint_minutes")
MOST_NAMED = 3
Config = Mapping[str, Any]


class TrackedRun:
    """A run in the store, from its beginning to FINISHED, FAILED or KILLED.

    An attempt that continues a run finds it again by its id, or by its key where it was killed
    before it knew the id. All that is logged may be logged again: the same stays one.
    """

    def __init__(self, client: MlflowClient, attempt: Attempt, tags: Mapping[str, str]) -> None:
        from mlflow.entities import Param, RunTag

        self.client, self.attempt, self.home = client, attempt, attempt.home
        self.config: Config = attempt.record.config
        tracking = self.config["tracking"]
        self.experiment = attempt.record.experiment or experiment_id(
            self.client, self.home, tracking["experiment"] or self.config["task"]["name"]
        )
        attempt.note(experiment=self.experiment)
        name = (
            attempt.record.title
            or tracking["run_name"]
            or run_name(self.config, attempt.record.overrides)
        )
        self._headline = name
        first = {"mlflow.user": user(), KEY: attempt.record.key, **_tags(self.config), **tags}
        if attempt.record.sweep is not None and attempt.record.parent is not None:
            first |= {SWEEP: attempt.record.sweep, "mlflow.parentRunId": attempt.record.parent}
        before = attempt.record.run_id
        if before is None and attempt.number > 1:
            before = run_of_key(client, self.experiment, attempt.record.key)
        if before is None:
            before = self._create(name, first)
        else:
            self._reopen(before)
        self.run_id: str = before
        attempt.note(run_id=self.run_id)
        parameters = [Param(key, value) for key, value in flatten(self.config).items()]
        self.plugins = plugins_used(self.config)
        more = [RunTag(f"plugin.{p['kind']}.{p['name']}", _owner(p)) for p in self.plugins]
        more += [RunTag(key, value) for key, value in {**first, **self._attempts()}.items()]
        for at in range(0, max(len(parameters), len(more)), AT_ONCE):
            part = slice(at, at + AT_ONCE)
            self.client.log_batch(self.run_id, params=parameters[part], tags=more[part])

    def _create(self, name: str, tags: Mapping[str, str]) -> str:
        """Make the run; one that a server made twice, since it was asked again, is deleted."""
        made = str(self.client.create_run(self.experiment, run_name=name, tags=tags).info.run_id)
        own = f"tags.`{KEY}` = '{self.attempt.record.key}'"
        for other in self.client.search_runs([self.experiment], own):
            if other.info.run_id != made and other.info.status == "RUNNING":
                self.client.delete_run(other.info.run_id)
        return made

    def _reopen(self, run_id: str) -> None:
        """Set a run that ended back to RUNNING; raises `UserError` for one that was deleted."""
        run = self.client.get_run(run_id)
        if run.info.lifecycle_stage != "active":
            raise UserError(
                f"run {run_id} was deleted in MLflow; bring it back with `mlflow runs restore "
                f"--run-id {run_id}`."
            )
        self.client.update_run(run_id, status="RUNNING")
        if "failure" in run.data.tags:
            self.client.delete_tag(run_id, "failure")

    def _attempts(self) -> dict[str, str]:
        """Return tags that say how many attempts there were, and their flow runs."""
        attempts = self.attempt.record.attempts
        flow_runs = [one["flow_run"] for one in attempts if "flow_run" in one]
        tags = {"attempts": str(len(attempts))}
        return tags | ({"prefect.flow_runs": " ".join(flow_runs)} if flow_runs else {})

    @property
    def page(self) -> str:
        """The run's place in MLflow's pages, after their address."""
        return f"/#/experiments/{self.experiment}/runs/{self.run_id}{VIEW}"

    def tag(self, **tags: str) -> None:
        """Set tags, `prefect_flow_run="…"`."""
        for key, value in tags.items():
            self.client.set_tag(self.run_id, key, value)

    def log_data(self, prepared: StageResult) -> None:
        """Log which data the run read, and how much."""
        from mlflow.entities import Dataset, DatasetInput, InputTag

        summary = read_json(prepared.folder / "summary.json")
        data = {k: v for k, v in self.config["data"].items() if v is not None}
        dataset = Dataset(
            name=f"{self.config['task']['name']} {summary['source']}",
            digest=summary["digest"][:36],
            source_type=summary["source"],
            source=json.dumps(data, ensure_ascii=False),
            profile=json.dumps({**summary["splits"], **summary["sizes"]}),
        )
        context = InputTag("mlflow.data.context", "train, validation, test")
        self.client.log_inputs(self.run_id, [DatasetInput(dataset, [context])])
        self.tag(data_digest=summary["digest"])
        if summary["warnings"]:
            self.tag(warnings="\n".join(summary["warnings"]))

    def log_training(self, trained: StageResult) -> None:
        """Log what the training gave, its learning curve, and whether it was reused."""
        summary = read_json(trained.folder / "summary.json")
        self._log_figures(
            {
                "throughput/tokens_per_second": summary["tokens_per_second"],
                "model/parameters": summary["parameters"],
                "train/minutes": summary["minutes"],
            }
        )
        kernels = {f"kernel.{part}": name for part, name in summary["kernels"].items()}
        reused = str(trained.reused).lower()
        self.tag(**{"train.reused": reused, "train.digest": trained.digest}, **kernels)
        if summary["pieces"] > 1:
            self.tag(micro_batches=f"{summary['pieces']} a batch, since memory ran out")
        if summary.get("other_kernels"):
            self.tag(other_kernels=", ".join(summary["other_kernels"]))
        picture = trained.folder / "learning_curve.png"
        if not picture.is_file():
            partial = picture.with_name(f".{os.getpid()}-{picture.name}")
            draw_learning_curve(trained.folder, summary, partial)
            partial.replace(picture)
        self.client.log_artifact(self.run_id, str(picture), "pictures")
        self.client.log_artifact(self.run_id, str(trained.folder / "model.txt"))
        if (trained.folder / "validations").is_dir():
            self.client.log_artifacts(
                self.run_id, str(trained.folder / "validations"), "validations"
            )

    def log_results(self, evaluated: StageResult) -> None:
        """Log the figures on the test split beside the baseline, pictures, tables, samples."""
        results = read_json(evaluated.folder / "metrics.json")
        primary = results["primary"]
        figures = {f"test/{name}": value for name, value in results["metrics"].items()}
        figures["test/primary"] = results["metrics"][primary]
        if primary in results["baseline"]:
            figures["test/baseline"] = results["baseline"][primary]
        self._log_figures(figures)
        self.tag(primary_metric=primary, primary_direction=results["direction"])
        signatures = results.get("signatures", {})
        self.tag(**{f"signature.{name}": text for name, text in signatures.items()})
        self._headline += f": test {primary} {results['metrics'][primary]:.4f}"
        if primary in results["baseline"]:
            self._headline += f", baseline {results['baseline'][primary]:.4f}"
        samples = (evaluated.folder / "samples.md").read_text(encoding="utf-8")
        self.tag(**{"mlflow.note.content": _note(results, samples)})
        for part in ("pictures", "tables"):
            self.client.log_artifacts(self.run_id, str(evaluated.folder / part), part)
        for file in ("samples.md", "predictions.jsonl"):
            self.client.log_artifact(self.run_id, str(evaluated.folder / file))

    def log_export(self, exported: StageResult, example: str) -> str | None:
        """Log the model and register it; return "name version", or None if not registered."""
        name = self.config["task"]["name"]
        folder = exported.folder / "model"
        self.tag(export=str(folder))
        with as_default(self.home):
            model_id = log_model(
                self.client,
                self.experiment,
                self.run_id,
                name,
                folder,
                example,
                {p["distribution"]: p["version"] for p in self.plugins if p["distribution"]},
            )
            if not self.config["tracking"]["register"]:
                return None
            made = register_model(self.client, name, model_id, self.run_id, self._headline)
            return f"{name} {made}"

    def end(self, status: str, failure: str | None = None) -> None:
        """End the run as FINISHED, FAILED or KILLED, saying why it failed."""
        if failure is not None:
            self.tag(failure=_short(failure))
        self.client.set_terminated(self.run_id, status)

    def _log_figures(self, figures: Mapping[str, float]) -> None:
        """Log figures of the whole run; they are sent with the others, in the log's order."""
        self.attempt.points.add(0, time.time_ns() // 1_000_000, figures)


def run_of_key(client: MlflowClient, experiment: str, key: str) -> str | None:
    """Return the id of the run that has a record's key, None if the store has none."""
    found = client.search_runs([experiment], f"tags.`{KEY}` = '{key}'", max_results=1)
    return str(found[0].info.run_id) if found else None


def history_of(trained: StageResult) -> Iterator[tuple[int, int, dict[str, float]]]:
    """Yield (step, timestamp in ms, figures) of a training that is reused."""
    with (trained.folder / "history.jsonl").open(encoding="utf-8") as stream:
        for line in stream:
            point = json.loads(line)
            yield point["step"], point["timestamp_ms"], point["metrics"]


def run_name(config: Config, overrides: Sequence[str] = ()) -> str:
    """Return a name that says what the run is: "lstm many_to_many, lr 0.01, seed 0".

    Of what was asked for, at most three options of the model and its training are named.
    """
    asked = (text.partition("=") for text in overrides)
    named = [
        f"{key.rpartition('.')[2]} {value}"
        for key, _, value in asked
        if key.startswith(TELLING) and key not in UNTOLD and len(value) <= 20
    ]
    seed = config["trainer"]["seed"]
    model = f"{config['cell']['name']} {config['architecture']['name']}"
    return ", ".join([model, *named[:MOST_NAMED], f"seed {seed}"])


def as_parameter(key: str) -> str:
    """Return an override's key as a name that every store can hold: no "@"."""
    return key.replace("@", " at ")


def flatten(config: Config, prefix: str = "") -> dict[str, str]:
    """Return nested values under dotted keys, as text that MLflow can hold."""
    flat: dict[str, str] = {}
    for key, value in config.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[prefix + str(key)] = _short(str(value))
    return flat


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def user() -> str:
    """Return whose process this is."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return str(os.getuid())


def _tags(config: Config) -> dict[str, str]:
    tags = {part: config[part]["name"] for part in ("task", "architecture", "cell")}
    commit = git_commit()
    if commit is not None:
        tags["git_commit"] = commit
    return tags


def _owner(plugin: Mapping[str, str]) -> str:
    return f"{plugin['distribution']} {plugin['version']} {plugin['source_hash']}"


def _note(results: Mapping[str, Any], samples: str) -> str:
    lines = ["| test | model | baseline |", "|---|---|---|"]
    for name, value in results["metrics"].items():
        beside = results["baseline"].get(name)
        lines.append(f"| {name} | {value:.4f} | {'' if beside is None else f'{beside:.4f}'} |")
    return "\n".join([*lines, "", "**Samples**", "", samples])


def export_of_run(home: Home, run_id: str) -> Path | None:
    """Return where the exported model of a run lies, None for a run that exported none.

    Raises `UserError` for a place outside the home, which no run of seqline writes.
    """
    from mlflow.exceptions import MlflowException

    client = open_store(home)
    settle_tracking(home, client)
    try:
        tags = client.get_run(run_id).data.tags
    except MlflowException:
        return None
    if "export" not in tags:
        return None
    folder = Path(tags["export"])
    if not folder.resolve().is_relative_to(home.stages.resolve()):
        raise UserError(
            f"run {run_id}: its tag says that its export is {folder}, which is not in "
            f"{home.stages}; name the folder itself if you trust it."
        )
    return folder if folder.is_dir() else None

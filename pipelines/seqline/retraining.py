"""After a run: the alias `champion` moves to its model if that beats the present one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqline.contest import compare
from seqline.home import Home
from seqline.reporter import Reporter
from seqline.stages.folder import StageResult, read_json
from seqline.stages.prepare import raw_examples
from seqline.tracking.background import Tracking
from seqline.tracking.champion import champion, crown
from seqline_plugins.errors import SeqlineError

if TYPE_CHECKING:
    from seqline.tracking.run import TrackedRun

TAG = "champion"
"""The tag of a run that says what became of its model in the contest."""


def settle_champion(
    tracking: Tracking,
    home: Home,
    registered: str,
    stages: Mapping[str, StageResult],
    reporter: Reporter,
) -> str:
    """Compare the run's model with the champion on the run's test data; return what came of it.

    `registered` is the model's name and version. The first version of a model is champion at
    once. Where the two cannot be compared the champion stays, with a warning.
    """
    name, version = registered.rsplit(" ", 1)
    export = stages["export"].folder / "model"
    said = tracking.later(lambda run: _first(run, name, version)).result()
    if said is None:
        present = tracking.later(lambda run: _export_of_champion(run, home, name)).result()
        results = read_json(stages["evaluate"].folder / "metrics.json")
        try:
            if present is None:
                raise SeqlineError("its export is not to be found")
            examples = raw_examples(stages["prepare"].folder, "test")
            verdict = compare(export, present, examples, results["primary"], results["direction"])
        except SeqlineError as error:
            said = f"stays: the two cannot be compared ({error})"
            reporter.warn(f"the champion of {name} {said}")
        else:
            why = str(verdict)
            if verdict.better:
                tracking.later(lambda run: crown(run.client, name, version, why)).result()
            said = f"{f'is version {version}' if verdict.better else 'stays'}: {why}"
    tracking.later(lambda run: run.tag(**{TAG: said})).result()
    reporter.say(f"the champion of {name} {said}")
    return said


def _first(run: TrackedRun, name: str, version: str) -> str | None:
    """Crown the first version; return what came of it, None where there is a contest to hold."""
    present = champion(run.client, name)
    if present is None:
        crown(run.client, name, version, "the first")
        return f"is version {version}, the first"
    return f"is version {version} already" if str(present.version) == version else None


def _export_of_champion(run: TrackedRun, home: Home, name: str) -> Path | None:
    """Return the folder of the champion's export: in this home, else fetched from the store."""
    present: Any = champion(run.client, name)
    tags = run.client.get_run(present.run_id).data.tags if present.run_id else {}
    if "export" in tags:
        folder = Path(tags["export"])
        if folder.resolve().is_relative_to(home.stages.resolve()) and folder.is_dir():
            return folder
    from mlflow.artifacts import download_artifacts
    from mlflow.exceptions import MlflowException

    from seqline.tracking.store import as_default

    try:
        with as_default(home):
            fetched = Path(download_artifacts(f"models:/{name}@champion"))
    except MlflowException:
        return None
    found = fetched / "artifacts"
    exports = [path.parent for path in found.rglob("weights.safetensors")]
    return exports[0] if exports else None

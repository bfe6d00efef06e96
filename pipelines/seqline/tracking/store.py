"""The tracking store: opened once, its database made under a lock."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING

from filelock import FileLock

from seqline.durable import sync_folder
from seqline.home import DISK_FULL, Home, is_disk_full
from seqline_plugins.errors import ServiceError, UserError

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

VIEW = "?workflowType=machine_learning"
"""Has MLflow's pages show models that are trained: a browser that has not chosen yet would be
shown prompts and traces."""
COLUMNS = (
    "metrics.`test/primary`",
    "metrics.`test/baseline`",
    "tags.`primary_metric`",
    "metrics.`model/parameters`",
    "metrics.`train/minutes`",
    "params.`cell.name`",
    "params.`architecture.name`",
    "params.`trainer.seed`",
)
"""The columns that matter, alike for every task."""
SWEEP = "sweep"
"""The tag that a sweep's runs have in common."""
SHARED, SHARED_VIEW = "seqline", "mlflow.sharedViewState."
OF_EXPERIMENT = {
    "mlflow.experimentKind": "custom_model_development",
    f"{SHARED_VIEW}{SHARED}": json.dumps({"selectedColumns": COLUMNS}),
}
"""Tags of our experiments: the view of its runs that MLflow shares under the name `SHARED`."""


def open_store(home: Home) -> MlflowClient:
    """Return a client of the store, its database migrated before anyone else may use it.

    Raises `ServiceError` when the store cannot be opened.
    """
    from mlflow.exceptions import MlflowException
    from mlflow.tracking import MlflowClient
    from sqlalchemy.exc import SQLAlchemyError

    home.artifacts.mkdir(parents=True, exist_ok=True)
    with FileLock(home.path / "mlflow.lock"):
        try:
            if home.tracking_uri == f"sqlite:///{home.database}" and not home.database.exists():
                _make_database(home)
            client = MlflowClient(tracking_uri=home.tracking_uri)
            client.search_experiments(max_results=1)
        except (MlflowException, SQLAlchemyError) as error:
            if is_disk_full(error):
                raise ServiceError(DISK_FULL.format(place=f" while writing {home.path}")) from error
            first = str(error).strip().splitlines()[0]
            raise ServiceError(f"the tracking store {home.tracking_uri}: {first}") from error
    return client


def _make_database(home: Home) -> None:
    """Make the home's own database elsewhere and move it into place when it is whole.

    Its many migrations are no transaction: where they are broken off, MLflow can neither go on
    with them nor begin again.
    """
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    partial = home.path / ".partial-mlflow"
    shutil.rmtree(partial, ignore_errors=True)  # of one that was killed
    partial.mkdir()
    try:
        made = partial / home.database.name
        SqlAlchemyStore(f"sqlite:///{made}", home.artifacts.as_uri()).engine.dispose()
        made.rename(home.database)
        sync_folder(home.path)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def experiment_id(client: MlflowClient, home: Home, name: str) -> str:
    """Return the id of an experiment, made if it is not there.

    Raises `UserError` for one that was deleted.
    """
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(name)
    if found is None:
        own = home.tracking_uri == f"sqlite:///{home.database}"
        place = (home.artifacts / name).as_uri() if own else None
        try:
            made: str = client.create_experiment(name, artifact_location=place, tags=OF_EXPERIMENT)
        except MlflowException:  # another run made it meanwhile
            found = client.get_experiment_by_name(name)
            if found is None:
                raise
        else:
            return made
    if found.lifecycle_stage != "active":
        raise UserError(
            f"tracking.experiment: '{name}' was deleted in MLflow; bring it back with `mlflow "
            f"experiments restore -x {found.experiment_id}`, or choose another name with "
            "tracking.experiment=…"
        )
    for key, value in OF_EXPERIMENT.items():  # one that somebody else made, or we before
        if key not in found.tags:
            client.set_experiment_tag(found.experiment_id, key, value)
    return str(found.experiment_id)


def runs_page(experiment: str, view: str = SHARED) -> str:
    """Return the place of an experiment's table of runs in MLflow's pages, after their address.

    Its columns are those that matter, `COLUMNS`; that of a sweep is made by `share_sweep`.
    """
    return f"/#/experiments/{experiment}/runs{VIEW}&viewStateShareKey={view}"


def share_sweep(client: MlflowClient, experiment: str, sweep: str, *, lowest: bool) -> None:
    """Have an experiment share a view, of that name, of a sweep's runs alone, the best first.

    By its time of day a run would stand below its parent, out of sight until that is unfolded.
    """
    state = {
        "selectedColumns": COLUMNS,
        "searchFilter": f"tags.`{SWEEP}` = '{sweep}'",
        "orderByKey": COLUMNS[0],
        "orderByAsc": lowest,
    }
    client.set_experiment_tag(experiment, f"{SHARED_VIEW}{sweep}", json.dumps(state))


@contextlib.contextmanager
def as_default(home: Home) -> Iterator[None]:
    """Make the home's store the process's default, which MLflow's model registry asks for."""
    import mlflow

    variable = "MLFLOW_TRACKING_URI"
    before = os.environ.get(variable)
    mlflow.set_tracking_uri(home.tracking_uri)
    try:
        yield
    finally:
        mlflow.set_tracking_uri(None)
        if before is not None:
            os.environ[variable] = before

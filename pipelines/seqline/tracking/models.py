"""Logging the exported model to a run, and registering it under its task's name."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

EXAMPLE_LENGTH = 200


def log_model(
    client: MlflowClient,
    experiment: str,
    run_id: str,
    name: str,
    export: Path,
    example: str,
    requirements: Mapping[str, str],
) -> str:
    """Log an exported folder as a model of a run; return its MLflow id.

    A run has one model: what an attempt that was killed has begun is finished.
    It carries its code as a file, a signature, an input example and what it requires:
    `requirements`, distributions and versions, beside seqline and torch.
    """
    import mlflow.pyfunc
    import pandas
    from mlflow.entities import LoggedModelOutput
    from mlflow.models import Model, ModelSignature
    from mlflow.types import ColSpec, Schema

    from seqline.tracking import served_code

    logged = _one_model(client, experiment, run_id, name)
    if str(logged.status) == "READY":
        return str(logged.model_id)
    outputs = client.get_run(run_id).outputs
    if not any(one.model_id == logged.model_id for one in outputs.model_outputs):
        client.log_outputs(run_id, [LoggedModelOutput(logged.model_id, step=0)])
    described = Model(
        artifact_path=logged.artifact_location,
        model_uuid=logged.model_id,
        run_id=run_id,
        model_id=logged.model_id,
    )
    needed = {name: version(name) for name in ("seqline", "torch")} | dict(requirements)
    signature = ModelSignature(
        inputs=Schema([ColSpec("string", "text")]), outputs=Schema([ColSpec("string", "labels")])
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model"
        mlflow.pyfunc.save_model(
            path=str(path),
            mlflow_model=described,
            python_model=served_code(),
            artifacts={"export": str(export)},
            signature=signature,
            input_example=pandas.DataFrame({"text": [example[:EXAMPLE_LENGTH]]}),
            pip_requirements=[f"{package}=={number}" for package, number in needed.items()],
        )
        client.log_model_artifacts(logged.model_id, str(path))
    client.finalize_logged_model(logged.model_id, "READY")
    return str(logged.model_id)


def _one_model(client: MlflowClient, experiment: str, run_id: str, name: str) -> Any:
    """Return the run's model, made if there is none.

    MLflow's client asks again where a server went away before it answered, and there are two of
    what it had made: those that are too many are deleted.
    """

    def there() -> list[Any]:
        where = f"source_run_id = '{run_id}'"
        found = client.search_logged_models(experiment_ids=[experiment], filter_string=where)
        return sorted(found, key=lambda one: (str(one.status) != "READY", one.creation_timestamp))

    if not there():
        client.create_logged_model(experiment, name=name, source_run_id=run_id)
    kept, *others = there()
    for other in others:
        client.delete_logged_model(other.model_id)
    return kept


def register_model(
    client: MlflowClient, name: str, model_id: str, run_id: str, description: str
) -> str:
    """Add a logged model to the registry as the next version of `name`; return the version.

    The version that an attempt before this one has added stays the one.
    """
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    added = client.search_model_versions(f"name = '{name}' and run_id = '{run_id}'")
    if added:
        return str(added[0].version)
    made = client.create_model_version(
        name,
        source=f"models:/{model_id}",
        run_id=run_id,
        model_id=model_id,
        description=description,
    )
    return str(made.version)

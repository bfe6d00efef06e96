"""The alias `champion` of a task's registered model: which version it is, and moving it.

Every move is noted in the registered model's tag `champion.before`, so that it can be undone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from seqline_plugins.errors import UserError, nearest

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion
    from mlflow.tracking import MlflowClient

ALIAS = "champion"
BEFORE = "champion.before"
"""The tag that lists the versions that were champion, the newest last."""
MISSING = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")
"""How stores say that there is no such alias."""


def champion(client: MlflowClient, name: str) -> ModelVersion | None:
    """Return the version that is champion, None while there is none."""
    from mlflow.exceptions import MlflowException

    try:
        return client.get_model_version_by_alias(name, ALIAS)
    except MlflowException as error:
        if error.error_code in MISSING:
            return None
        raise


def crown(client: MlflowClient, name: str, version: str, why: str) -> str | None:
    """Make a version champion; return the one before, None if there was none or it is the same."""
    before = champion(client, name)
    if before is not None and str(before.version) == version:
        return None
    client.set_registered_model_alias(name, ALIAS, version)
    client.set_model_version_tag(name, version, ALIAS, why)
    if before is None:
        return None
    history = [*_history(client, name), str(before.version)]
    client.set_registered_model_tag(name, BEFORE, " ".join(history))
    return str(before.version)


def promote(client: MlflowClient, name: str, version: str | None) -> tuple[str, str | None]:
    """Make a version, the newest if None, champion by hand; return it and the one before.

    Raises `UserError` for a model or a version that there is not.
    """
    known = versions(client, name)
    chosen = version or known[-1]
    if chosen not in known:
        raise UserError(f"{name} has no version {chosen}. Versions: {', '.join(known)}.")
    return chosen, crown(client, name, chosen, "by hand")


def rollback(client: MlflowClient, name: str) -> tuple[str, str]:
    """Make the champion before the present one champion again; return it and the one it follows.

    Raises `UserError` where there was none before.
    """
    known = versions(client, name)
    present = champion(client, name)
    history = [one for one in _history(client, name) if one in known]
    if present is None or not history:
        raise UserError(f"{name}: there is no champion before the present one to go back to.")
    *rest, back = history
    client.set_registered_model_alias(name, ALIAS, back)
    client.set_registered_model_tag(name, BEFORE, " ".join(rest))
    return back, str(present.version)


def versions(client: MlflowClient, name: str) -> list[str]:
    """Return a model's versions, the newest last; raises `UserError` for one that there is not."""
    found = client.search_model_versions(f"name = '{name}'")
    if not found:
        models = [one.name for one in client.search_registered_models()]
        listed = ", ".join(models) or "none"
        raise UserError(
            f"{name}: no such model is registered.{nearest(name, models)} Models: {listed}."
        )
    return [str(number) for number in sorted(int(one.version) for one in found)]


def _history(client: MlflowClient, name: str) -> list[str]:
    return str(client.get_registered_model(name).tags.get(BEFORE, "")).split()

"""`seqline promote` and `seqline rollback`: the champion moved by hand."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from seqline.home import Home, home_path, quiet_environment
from seqline.services.address import check_tracking
from seqline_plugins.errors import UserError

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient


def promote(task: str, version: str | None, *, as_json: bool) -> None:
    """Make a version champion and say so."""
    from seqline.tracking import champion

    chosen, before = champion.promote(_client(), task, version)
    _say(task, chosen, before, as_json)


def rollback(task: str, *, as_json: bool) -> None:
    """Make the one before champion again and say so."""
    from seqline.tracking import champion

    chosen, before = champion.rollback(_client(), task)
    _say(task, chosen, before, as_json)


def _client() -> MlflowClient:
    """Return a client of the store; raises `UserError` where no run has made one."""
    quiet_environment()
    check_tracking()
    home = Home(home_path())
    own = f"sqlite:///{home.database}"
    if home.tracking_uri == own and not home.database.is_file():
        raise UserError(f"{home.database}: there is no such store, so no registered model yet.")
    from seqline.tracking.settle import settle_tracking
    from seqline.tracking.store import open_store

    client = open_store(home)
    settle_tracking(home, client)
    return client


def _say(task: str, chosen: str, before: str | None, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"model": task, "champion": chosen, "before": before}))  # noqa: T201
        return
    was = f"; it was version {before}" if before is not None else ""
    print(f"the champion of {task} is version {chosen}{was}.")  # noqa: T201

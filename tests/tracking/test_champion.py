"""The alias champion: moved, moved by hand, moved back."""

from __future__ import annotations

from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from seqline.home import Home, open_home
from seqline.tracking.champion import champion, crown, promote, rollback
from seqline.tracking.store import open_store
from seqline_plugins.errors import UserError


@pytest.fixture
def client(home_folder: Path) -> MlflowClient:
    home: Home = open_home()
    client = open_store(home)
    client.create_registered_model("pos_tagging")
    for number in range(3):
        client.create_model_version("pos_tagging", source=str(home_folder / str(number)))
    return client


def test_the_champion_is_promoted_and_rolled_back_step_by_step_and_what_is_unknown_is_named(
    client: MlflowClient,
) -> None:
    assert champion(client, "pos_tagging") is None
    assert promote(client, "pos_tagging", "1") == ("1", None)
    assert crown(client, "pos_tagging", "2", "better") == "1"
    assert crown(client, "pos_tagging", "2", "better") is None  # it is already
    assert promote(client, "pos_tagging", None) == ("3", "2")
    assert rollback(client, "pos_tagging") == ("2", "3")
    assert rollback(client, "pos_tagging") == ("1", "2")
    assert champion(client, "pos_tagging").version in ("1", 1)
    with pytest.raises(UserError, match="no champion before the present one"):
        rollback(client, "pos_tagging")

    with pytest.raises(UserError, match="Did you mean 'pos_tagging'"):
        promote(client, "pos_taging", None)
    with pytest.raises(UserError, match="has no version 7"):
        promote(client, "pos_tagging", "7")

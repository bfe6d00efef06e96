from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from mlflow.tracking import MlflowClient

from seqline.config.compose import compose
from seqline.home import Home
from seqline.reporter import SilentReporter
from seqline.runs.attempt import Attempt
from seqline.runs.claim import claim
from seqline.runs.record import remove
from seqline.tracking.store import open_store


@pytest.fixture(scope="session")
def store_home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home whose database is made once for all tests; each uses an experiment of its own."""
    home = Home(tmp_path_factory.mktemp("store"))
    open_store(home)
    return home


@pytest.fixture
def client(store_home: Home) -> MlflowClient:
    return open_store(store_home)


@pytest.fixture
def config(request: pytest.FixtureRequest) -> dict[str, Any]:
    return compose([f"tracking.experiment='{request.node.name}'"])


@pytest.fixture
def attempt(config: dict[str, Any], store_home: Home) -> Iterator[Attempt]:
    """The first attempt at a run, held by this process."""
    made = claim(config, store_home, SilentReporter())
    yield made
    made.let_be()
    remove(store_home, made.record.key)

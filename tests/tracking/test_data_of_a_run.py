"""What is noteworthy about the data stays with the run in the store."""

from __future__ import annotations

from pathlib import Path

from mlflow.tracking import MlflowClient
from toy_language import write_splits

from seqline import stages
from seqline.config.compose import compose
from seqline.home import Home
from seqline.reporter import SilentReporter
from seqline.runs.claim import claim
from seqline.runs.record import remove
from seqline.tracking.background import Tracking


def test_warnings_about_the_data_are_kept_on_the_run(
    client: MlflowClient, store_home: Home, tmp_path: Path
) -> None:
    overrides = write_splits(tmp_path, 20, 5)
    trained = (tmp_path / "train.conllu").read_text()
    (tmp_path / "test.conllu").write_text(trained.replace("NOUN", "NEVER_SEEN", 1))
    config = compose([*overrides, "tracking.experiment=data_of_a_run"])
    attempt = claim(config, store_home, SilentReporter())
    prepared = stages.prepare(config, stages.Workspace(Home(tmp_path / "home"), SilentReporter()))
    tracking = Tracking(attempt)
    tracking.begin().result()
    tracking.later(lambda run: run.log_data(prepared)).result()
    tags = client.get_run(str(attempt.record.run_id)).data.tags
    told = stages.folder.read_json(prepared.folder / "summary.json")["warnings"]
    assert tags["warnings"].splitlines() == told
    assert any("every test sentence is in the training data too" in one for one in told)
    new = "1 test words have a tag that training never had: 'NEVER_SEEN'"
    assert any(new in one for one in told)
    attempt.let_be()
    remove(store_home, attempt.record.key)

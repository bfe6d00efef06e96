"""What is noteworthy about the data stays with the run in the store."""

from __future__ import annotations

from pathlib import Path

from mlflow.tracking import MlflowClient
from toy_language import conllu, sentences, write_splits

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
    (tmp_path / "test.conllu").write_text((tmp_path / "train.conllu").read_text())
    unseen = conllu(sentences(5)).replace("NOUN", "NEVER_SEEN")
    (tmp_path / "validation.conllu").write_text(unseen)
    config = compose([*overrides, "tracking.experiment=data_of_a_run"])
    attempt = claim(config, store_home, SilentReporter())
    prepared = stages.prepare(config, stages.Workspace(Home(tmp_path / "home"), SilentReporter()))
    tracking = Tracking(attempt)
    tracking.begin().result()
    tracking.later(lambda run: run.log_data(prepared)).result()
    tags = client.get_run(str(attempt.record.run_id)).data.tags
    told = stages.folder.read_json(prepared.folder / "summary.json")["warnings"]
    assert tags["warnings"].splitlines() == told
    assert any("are in the training data too" in warning for warning in told)
    assert any("NEVER_SEEN" in warning for warning in told)
    attempt.let_be()
    remove(store_home, attempt.record.key)

"""The four stages over a tiny language, run once for all tests of this folder."""

from __future__ import annotations

import copy
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from toy_language import write_splits

from seqline import stages
from seqline.config.compose import compose
from seqline.home import Home
from seqline.reporter import SilentReporter
from seqline.stages import StageResult, Workspace
from seqline.training.loop import Watchers

SMALL = [
    "task.words.size=8",
    "task.affixes.size=3",
    "task.shape.size=3",
    "task.characters.size=4",
    "task.characters.hidden_size=4",
    "architecture.hidden_size=8",
    "trainer.max_epochs=2",
    "trainer.batch_size=8",
    "trainer.lr=0.02",
    "trainer.device=cpu",
    "trainer.threads=1",
]
NAMES = ("prepare", "train", "evaluate", "export")


class Notes(SilentReporter):
    """Remembers what a run would show."""

    def __init__(self) -> None:
        self.finished: list[tuple[str, bool]] = []
        self.said: list[str] = []
        self.warned: list[str] = []

    def stage_finished(self, name: str, folder: Path, reused: bool, seconds: float) -> None:
        self.finished.append((name, reused))

    def say(self, text: str) -> None:
        self.said.append(text)

    def warn(self, text: str) -> None:
        self.warned.append(text)


@dataclass
class Pipeline:
    """A configuration with its data and its home; `run` passes through the stages."""

    config: dict[str, Any]
    home: Home
    data: Path
    notes: Notes = field(default_factory=Notes)

    def run(self, fresh: bool = False, **changes: Mapping[str, Any]) -> dict[str, StageResult]:
        """Run all stages; `trainer={"lr": 1}` changes keys of a section."""
        config = copy.deepcopy(self.config)
        for section, values in changes.items():
            config[section] |= values
        given = (config, Workspace(self.home, self.notes, fresh))
        watchers = Watchers(self.notes, self.home.checkpoints / "run")
        prepared = stages.prepare(*given)
        trained = stages.train(*given, prepared, watchers)
        evaluated = stages.evaluate(*given, prepared, trained)
        exported = stages.export(*given, prepared, trained, evaluated)
        return dict(zip(NAMES, (prepared, trained, evaluated, exported), strict=True))

    def made_anew(self, **changes: Any) -> list[str]:
        """Run once more; return the stages that were not reused."""
        return [name for name, result in self.run(**changes).items() if not result.reused]


@pytest.fixture(scope="session")
def first_run(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    """A pipeline whose four stages are done."""
    folder = tmp_path_factory.mktemp("first")
    (folder / "data").mkdir()
    config = compose([*write_splits(folder / "data"), *SMALL])
    pipeline = Pipeline(config, Home(folder / "home"), folder / "data")
    pipeline.run()
    return pipeline


@pytest.fixture
def pipeline(first_run: Pipeline, tmp_path: Path) -> Pipeline:
    """A copy of it that a test may change; its data are where they were, copied."""
    shutil.copytree(first_run.home.path, tmp_path / "home")
    shutil.copytree(first_run.data, tmp_path / "data")
    config = copy.deepcopy(first_run.config)
    for split in ("train", "validation", "test"):
        config["data"][split] = str(tmp_path / "data" / f"{split}.conllu")
    return Pipeline(config, Home(tmp_path / "home"), tmp_path / "data")

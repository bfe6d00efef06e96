"""A part that has changed since training stops predict and resume; metrics and decoding do not."""

from __future__ import annotations

import copy
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from seqline import provenance, stages
from seqline.config.compose import compose
from seqline.exported import load_export
from seqline.home import Home
from seqline.reporter import SilentReporter
from seqline.runs.claim import claim, reclaim
from seqline.stages import StageResult, Workspace
from seqline.training.loop import Watchers
from seqline_plugins.errors import UserError

EXAMPLE = Path(__file__).parents[2] / "examples" / "seqline-parity"
MODULES = {
    "cell": "from seqline_plugins.cells.gru import GRU\nclass Cell(GRU): pass\n",
    "architecture": (
        "from seqline_plugins.architectures.many_to_many import ManyToMany\n"
        "class Both(ManyToMany): pass\n"
    ),
    "encoding": "from seqline_parity import BitEncoding\nclass Encoding(BitEncoding): pass\n",
    "inputs": "from seqline_parity import BitInputs\nclass Inputs(BitInputs): pass\n",
    "head": "from seqline_parity import ParityHead\nclass Head(ParityHead): pass\n",
    "metrics": "from seqline_parity import Accuracy\nclass Metrics(Accuracy): pass\n",
    "task": (
        "from seqline_parity import Parity\n"
        "from .encoding import Encoding\nfrom .inputs import Inputs\n"
        "from .head import Head\nfrom .metrics import Metrics\n"
        "class Task(Parity):\n"
        "    encoding, inputs, head, scoring = Encoding, Inputs, Head, Metrics\n"
    ),
}
PARTS = {
    "cell": "the cell changing",
    "architecture": "the architecture changing",
    "encoding": "the encoding of task changing",
    "inputs": "the inputs of task changing",
    "head": "the head of task changing",
}
USED = ("metrics", "task")
"""What may change: how answers are scored, how they are decoded."""


@pytest.fixture
def package(install: Any, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package with a module for each part."""
    monkeypatch.syspath_prepend(EXAMPLE)
    folder: Path = install(
        "changing",
        cells={"changing": "changing.cell:Cell"},
        architectures={"changing": "changing.architecture:Both"},
        tasks={"changing": "changing.task:Task"},
    ) / "changing"  # fmt: skip
    for name in [*MODULES, ""]:
        monkeypatch.delitem(sys.modules, f"changing.{name}".rstrip("."), raising=False)
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    for name, text in MODULES.items():
        (folder / f"{name}.py").write_text(text)
    forget()
    return folder


def forget() -> None:
    """Let sources be read anew, as another process would."""
    provenance.hash_of_module.cache_clear()
    provenance._read.cache_clear()


def change(package: Path, part: str) -> tuple[str, str]:
    """Change the source of a part; return its hash before and now."""
    hashes = []
    for more in ("", "CHANGED = True\n"):
        path = package / f"{part}.py"
        path.write_text(path.read_text() + more)
        forget()
        hashes.append(provenance.hash_of_module(f"changing.{part}"))
    return hashes[0], hashes[1]


def configuration(*overrides: str) -> dict[str, Any]:
    chosen = ["task=changing", "architecture=changing", "cell=changing"]
    small = ["architecture.hidden_size=4", "trainer.max_steps=2", "trainer.threads=1"]
    return compose([*chosen, *small, "trainer.device=cpu", *overrides])


def passed(config: dict[str, Any], home: Home) -> dict[str, StageResult]:
    given = copy.deepcopy(config), Workspace(home, SilentReporter())
    prepared = stages.prepare(*given)
    watchers = Watchers(SilentReporter(), home.checkpoints / "run")
    trained = stages.train(*given, prepared, watchers)
    evaluated = stages.evaluate(*given, prepared, trained)
    exported = stages.export(*given, prepared, trained, evaluated)
    return {"train": trained, "evaluate": evaluated, "export": exported}


def test_a_model_is_not_used_with_another_part_than_it_was_trained_with(
    package: Path, tmp_path: Path
) -> None:
    config, home = configuration(), Home(tmp_path / "h")
    first = passed(config, home)
    model = first["export"].folder / "model"
    wanted = load_export(model).predict_lines(["1101"])
    for part in USED:
        change(package, part)
        assert load_export(model).predict_lines(["1101"]) == wanted
    second = passed(config, home)
    assert second["train"].reused and not second["evaluate"].reused
    told = json.loads((second["export"].folder / "model" / "seqline.json").read_text())
    task = next(one for one in told["plugins"] if one["kind"] == "task")
    assert task["source_hash"] == provenance.hash_of_module("changing.task")
    for part, name in PARTS.items():
        before, now = change(package, part)
        with pytest.raises(UserError) as refused:
            load_export(model)
        for said in (name, before[:12], now[:12], "--allow-changed-plugins"):
            assert said in str(refused.value)
        assert load_export(model, allow_changed_plugins=True).predict_lines(["1101"]) == wanted
        path = package / f"{part}.py"
        path.write_text(MODULES[part])
        forget()
    change(package, "cell")
    assert not passed(config, home)["train"].reused  # never evaluated by what it was not


def interrupted(folder: Path) -> tuple[Home, str]:
    """Return a home with a run that was interrupted, and the run's key."""
    home = Home(folder / "h")
    attempt = claim(configuration(), home, SilentReporter())
    attempt.note(status="interrupted")
    attempt.let_be()
    return home, attempt.record.key


@pytest.mark.parametrize("part", PARTS)
def test_a_resume_names_the_part_that_changed_and_both_hashes(
    part: str, package: Path, tmp_path: Path
) -> None:
    home, _ = interrupted(tmp_path)
    before, now = change(package, part)
    with pytest.raises(UserError) as refused:
        reclaim(home, None, SilentReporter())
    for said in (PARTS[part], before[:12], now[:12], "--allow-changed-plugins"):
        assert said in str(refused.value)
    going_on = reclaim(home, None, SilentReporter(), allow_changed_plugins=True)
    going_on.let_be()  # type: ignore[union-attr]


@pytest.mark.parametrize("part", USED)
def test_a_resume_uses_changed_metrics_and_decoding(
    part: str, package: Path, tmp_path: Path
) -> None:
    home, key = interrupted(tmp_path)
    change(package, part)
    going_on = reclaim(home, None, SilentReporter())
    assert going_on.record.key == key  # type: ignore[union-attr]
    going_on.let_be()  # type: ignore[union-attr]

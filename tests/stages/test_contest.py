"""A champion falls to a model that is better by more than chance, on the same examples alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.torch import load_file, save_file

from seqline.contest import Contestant, compare
from seqline.exported import load_export
from seqline.seal import seal
from seqline.stages.prepare import raw_examples


@pytest.fixture
def export(pipeline: Any) -> Path:
    return Path(pipeline.run()["export"].folder / "model")


@pytest.fixture
def examples(pipeline: Any) -> list[dict[str, Any]]:
    return list(raw_examples(pipeline.run()["prepare"].folder, "test"))


def broken(export: Path, folder: Path) -> Path:
    """Return a copy of an export that always gives the same tag."""
    import shutil

    copy = shutil.copytree(export, folder / "broken")
    weights = load_file(copy / "weights.safetensors")
    save_file({name: value * 0 for name, value in weights.items()}, copy / "weights.safetensors")
    seal(copy, but=("README.md",))
    return copy


def test_a_contestants_score_is_the_evaluations(
    pipeline: Any, export: Path, examples: list[dict[str, Any]]
) -> None:
    results = json.loads((pipeline.run()["evaluate"].folder / "metrics.json").read_text())
    contestant = Contestant(load_export(export), examples, "accuracy")
    everything = np.arange(len(examples))
    assert contestant.score(everything) == pytest.approx(results["metrics"]["accuracy"])
    assert contestant.score(np.repeat(everything, 2)) == pytest.approx(
        results["metrics"]["accuracy"]
    )


def test_a_model_is_not_better_than_itself(export: Path, examples: list[dict[str, Any]]) -> None:
    verdict = compare(export, export, examples, "accuracy", "higher", most=100)
    assert verdict.chance == 1.0 and not verdict.better


def test_the_better_one_wins_whichever_direction_is_better(
    export: Path, examples: list[dict[str, Any]], tmp_path: Path
) -> None:
    worse = broken(export, tmp_path)
    verdict = compare(export, worse, examples, "accuracy", "higher", most=100)
    assert verdict.paired.second > verdict.paired.first
    assert verdict.better and verdict.chance <= 0.05
    assert not compare(worse, export, examples, "accuracy", "higher", most=100).better
    assert compare(worse, export, examples, "accuracy", "lower", most=100).better

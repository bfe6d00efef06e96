"""Export: a folder that holds all a model needs, and nothing that is unpickled."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from seqline import __version__
from seqline.exported import FORMAT, MARK
from seqline.provenance import git_commit, parts_used, plugins_used
from seqline.seal import seal
from seqline.stages.card import model_card
from seqline.stages.folder import StageResult, Workspace, make_stage, read_json, write_json


def export(
    config: Mapping[str, Any],
    workspace: Workspace,
    prepared: StageResult,
    trained: StageResult,
    evaluated: StageResult,
) -> StageResult:
    """Make `model/`: weights, the composed configuration, vocabularies, a card, provenance."""
    provenance = {
        "seqline": __version__,
        "torch": torch.__version__,
        "plugins": plugins_used(dict(config)),
        "parts": parts_used(config),
    }
    ingredients = {
        "prepared": prepared.digest,
        "trained": trained.digest,
        "evaluated": evaluated.digest,
        "format": FORMAT,
        "provenance": provenance,
    }

    def make(folder: Path) -> None:
        model = folder / "model"
        model.mkdir()
        shutil.copyfile(trained.folder / "weights.safetensors", model / "weights.safetensors")
        shutil.copytree(prepared.folder / "encoding", model / "encoding")
        write_json(model / "config.json", dict(config))
        digests = {stage.name: stage.digest for stage in (prepared, trained, evaluated)}
        mark = {"format": FORMAT, "digests": digests, **provenance, "git_commit": git_commit()}
        write_json(model / MARK, mark)
        results = read_json(evaluated.folder / "metrics.json")
        data = read_json(prepared.folder / "summary.json")
        training = read_json(trained.folder / "summary.json")
        card = model_card(config, data, training, results, provenance)
        (model / "README.md").write_text(card, encoding="utf-8")
        seal(model, but=("README.md",))  # people write their own words into a card

    return make_stage("export", ingredients, make, workspace)

"""One answer a sequence through the four stages: learned, scored, exported, used."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from seqline import stages
from seqline.config.compose import compose
from seqline.exported import load_export
from seqline.home import Home
from seqline.reporter import SilentReporter
from seqline.stages import Workspace
from seqline.training.loop import Watchers
from seqline_plugins.errors import UserError

SMALL = ["cell=gru", "trainer.device=cpu", "trainer.threads=1", "trainer.lr=0.01"]


def run(folder: Path, *overrides: str) -> tuple[dict[str, Any], Path]:
    """Pass through the stages; return the results and the exported model."""
    config = compose([*SMALL, *overrides])
    home = Home(folder / "home")
    given = (config, Workspace(home, SilentReporter()))
    prepared = stages.prepare(*given)
    trained = stages.train(*given, prepared, Watchers(SilentReporter(), home.checkpoints / "run"))
    evaluated = stages.evaluate(*given, prepared, trained)
    exported = stages.export(*given, prepared, trained, evaluated)
    results = json.loads((evaluated.folder / "metrics.json").read_text(encoding="utf-8"))
    assert list((evaluated.folder / "pictures").iterdir())
    assert (evaluated.folder / "samples.md").read_text(encoding="utf-8").strip()
    return results, exported.folder


def test_texts_are_classified(tmp_path: Path) -> None:
    words = {"animal": ["cat", "dog", "cow"], "colour": ["red", "blue", "green"]}
    draw = np.random.default_rng(0)
    lines = []
    for _ in range(150):
        label = str(draw.choice(list(words)))
        lines.append(f"{label} there is {draw.choice(words[label])} in it\n")
    (tmp_path / "x.txt").write_text("".join(lines), encoding="utf-8")
    results, model = run(
        tmp_path,
        "task=classification",
        "architecture=many_to_one",
        "architecture.hidden_size=8",
        "architecture.pooling=max",
        "data=files",
        f"data.file={tmp_path / 'x.txt'}",
        "trainer.max_epochs=6",
        "trainer.members=2",
    )
    assert results["metrics"]["accuracy"] > 0.95 > results["baseline"]["accuracy"]
    predictor = load_export(model)
    lines = ["there is red in it", "", "there is dog in it"]
    assert predictor.predict_lines(lines) == [["colour"], [], ["animal"]]


@pytest.mark.parametrize("architecture", ["many_to_one", "encoder_decoder"])
def test_series_are_forecast(tmp_path: Path, architecture: str) -> None:
    times = pd.date_range("2021-01-01", periods=400, freq="h")
    wave = 20 + 5 * np.sin(2 * np.pi * np.arange(400) / 24)
    path = tmp_path / "x.csv"
    pd.DataFrame({"date": times, "x": wave.round(4)}).to_csv(path, index=False)
    results, model = run(
        tmp_path,
        "task=time_series",
        f"architecture={architecture}",
        "architecture.hidden_size=12",
        "architecture.input_dropout=0",
        "architecture.output_dropout=0",
        "data=files",
        f"data.file={path}",
        "task.window=12",
        "task.horizon=4",
        "trainer.max_epochs=12",
    )
    assert results["metrics"]["mse"] < 0.2 * results["baseline"]["mse"]
    predictor = load_export(model)
    said = predictor.predict_text(path.read_text(encoding="utf-8").splitlines(), "x.csv")
    head, *rows = said.splitlines()
    assert head.split(",") == ["time", "x", *(f"x {q}" for q in (0.1, 0.25, 0.5, 0.75, 0.9))]
    assert [row.split(",")[0] for row in rows] == [
        str(one) for one in pd.date_range("2021-01-17 16:00", periods=4, freq="h")
    ]
    wanted = 20 + 5 * np.sin(2 * np.pi * np.arange(400, 404) / 24)
    assert [float(row.split(",")[1]) for row in rows] == pytest.approx(wanted, abs=1.5)


def test_a_task_online_refuses_what_reads_ahead() -> None:
    with pytest.raises(UserError, match="allows no look-ahead"):
        compose(["task=time_series", "architecture=many_to_one", "task.online=true",
                 "architecture.bidirectional=true"])  # fmt: skip
    with pytest.raises(UserError, match="allows no look-ahead"):
        compose(["task=time_series", "architecture=encoder_decoder", "task.online=true"])

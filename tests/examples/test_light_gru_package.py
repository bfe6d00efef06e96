"""The example package: installed with pip, it trains the tagger through the command line."""

from __future__ import annotations

import json
from pathlib import Path
from runpy import run_path

import pytest
from newcomer import ROOT, Shell
from toy_language import write_splits

PACKAGE = ROOT / "examples" / "seqline-light-gru"


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    shell = Shell(tmp_path_factory.mktemp("newcomer"))
    shell.run(f"cp -r {PACKAGE} package && pip install ./package")
    return shell


def test_foreign_cell_trains_the_tagger(shell: Shell, tmp_path: Path) -> None:
    options = [
        *write_splits(tmp_path, train=60),
        "cell=light_gru",
        "cell.update_bias=1",
        "cell@task.characters.cell=rnn",
        "architecture.hidden_size=16",
        "task.characters.hidden_size=4",
        "trainer.threads=1",
        "trainer.max_steps=4",
    ]
    report = json.loads(shell.run(f"seqline run --json {' '.join(options)}"))
    assert 0 <= report["metrics"]["accuracy"] <= 1
    model = Path(report["export"])
    config = json.loads((model / "config.json").read_text(encoding="utf-8"))
    assert config["architecture"]["cell"] == {"name": "light_gru", "update_bias": 1.0}
    provenance = json.loads((model / "seqline.json").read_text(encoding="utf-8"))
    origins = {plugin["name"]: plugin["distribution"] for plugin in provenance["plugins"]}
    assert origins["light_gru"] == "seqline-light-gru"


def test_its_own_tests_pass(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(shell.packages)
    for path in (PACKAGE / "tests").glob("test_*.py"):
        tests = [value for name, value in run_path(str(path)).items() if name.startswith("test_")]
        assert tests
        for test in tests:
            test()

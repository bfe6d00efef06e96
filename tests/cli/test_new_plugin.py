"""`seqline plugins new` writes packages that hold to their contract, install and run."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
import torch
from newcomer import Shell

from seqline.cli.main import main
from seqline.cli.new import KINDS
from seqline_plugins import RecurrentStack

pytestmark = pytest.mark.usefixtures("shapes_unchecked")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_package_holds_to_its_contract_before_a_line_is_changed(
    kind: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = f"brand_new_{kind.replace('-', '_')}"
    assert main(["plugins", "new", name, "--kind", kind]) == 0
    folder = here / f"seqline-{name.replace('_', '-')}"
    capsys.readouterr()
    assert main(["plugins", "check", str(folder), "--json"]) == 0
    (report,) = json.loads(capsys.readouterr().out)["plugins"]
    assert report["name"] == name and len(report["checks"]) > 15


def test_a_whole_cell_package_is_forty_lines(here: Path) -> None:
    assert main(["plugins", "new", "short", "--kind", "cell"]) == 0
    files = ["pyproject.toml", "seqline_short.py", "tests/test_short.py"]
    text = "\n".join((here / "seqline-short" / name).read_text() for name in files)
    assert len([line for line in text.splitlines() if line.strip()]) <= 40
    project = tomllib.loads((here / "seqline-short" / "pyproject.toml").read_text())
    assert project["project"]["entry-points"]["seqline.cells"] == {"short": "seqline_short:Short"}


WHOLE_LSTM = """
from torch import sigmoid, tanh
from seqline_plugins import GatedCell
class Short(GatedCell):
    gates = ("input", "forget", "candidate", "output")
    state = ("h", "c")
    def equations(self, t):
        i = sigmoid(t.x.input + t.h.input)
        f = sigmoid(t.x.forget + t.h.forget)
        g = tanh(t.x.candidate + t.h.candidate)
        o = sigmoid(t.x.output + t.h.output)
        c = f * t.state.c + i * g
        return {"h": o * tanh(c), "c": c}
"""


def test_a_whole_lstm_is_fifteen_lines_and_the_built_in_one(here: Path) -> None:
    assert len(WHOLE_LSTM.strip().splitlines()) <= 15
    made: dict[str, Any] = {}
    exec(WHOLE_LSTM, made)
    ours = RecurrentStack({"name": "lstm"}, 3, 5, direction="both")
    short = RecurrentStack(made["Short"], 3, 5, direction="both")
    short.load_state_dict(ours.state_dict())
    x, lengths = torch.randn(4, 6, 3), torch.tensor([6, 1, 0, 4])
    torch.testing.assert_close(short(x, lengths)[0], ours(x, lengths)[0])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["lstm"], "lstm: there is such a cell already, from seqline"),
        (["MyCell"], "no name for a plugin; expected small letters.*as in my_cell"),
        (["class"], "no word of Python's own"),
        (["2fast"], "a letter first"),
        (["fine", "--kind", "sell"], "--kind: found 'sell', expected one of cell"),
    ],
)
def test_what_cannot_be_made_is_refused_and_nothing_written(
    arguments: list[str], said: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import re

    before = set(here.iterdir())
    assert main(["plugins", "new", *arguments]) == 2
    assert re.search(said, capsys.readouterr().err)
    assert set(here.iterdir()) == before


def test_a_folder_that_is_there_is_left_alone(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "seqline-taken").mkdir()
    assert main(["plugins", "new", "taken"]) == 2
    assert "there is such a folder already" in capsys.readouterr().err
    assert not list((here / "seqline-taken").iterdir())


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_new_package_installs_passes_its_tests_and_trains(kind: str, tmp_path: Path) -> None:
    shell = Shell(tmp_path)
    shell.run(f"seqline plugins new mine --kind {kind} && pip install -e ./seqline-mine")
    assert "passed" in shell.run("cd seqline-mine && pytest -q")
    chosen = f"{KINDS[kind]}=mine" + ("" if KINDS[kind] == "task" else " task=pos_tagging")
    report = json.loads(
        shell.run(
            f"seqline run --json {chosen} architecture.hidden_size=8 "
            "trainer.max_steps=3 trainer.threads=1"
        )
    )
    assert report["metrics"][report["primary"]] >= 0

"""A plugin that hangs, ends the process or cannot be: named, and nobody else disturbed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from seqline.cli.main import main
from seqline_plugins.discovery import load
from seqline_plugins.errors import PluginError

GOOD = """
from seqline_plugins import GatedCell
class Cell(GatedCell):
    gates = ("candidate",)
    def equations(self, t): return {"h": t.x.candidate}
"""
BROKEN = {
    "hangs": ("import time\n\nwhile True:\n    time.sleep(0.1)", "takes longer than 2 seconds", 4),
    "ends": ("import os\nos._exit(7)", "importing it ends the process with status 7", None),
    "exits": ("import sys\nsys.exit(3)", "SystemExit: 3", 2),
    "crashes": ("import os, signal\nos.kill(os.getpid(), 11)", "ends the process by SIGSEGV", None),
    "fails": ("x = 1\nraise RuntimeError('no luck')", "RuntimeError: no luck", 2),
    "misspelt": ("x = 1\ndef (:", "SyntaxError", 2),
}


ALONE = """
import contextlib, io, json, sys
from seqline_plugins import isolation
isolation.LIMIT = 2.0
from seqline.cli.main import main
found = []
for command in json.loads(sys.argv[1]):
    said, error = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(error):
        status = main(command)
    found.append([status, said.getvalue(), error.getvalue()])
print(json.dumps(found))
"""


def alone(*commands: list[str]) -> list[tuple[int, str, str]]:
    """Run commands in a process of their own: in this one a plugin could end the tests."""
    run = [sys.executable, "-c", ALONE, json.dumps(commands)]
    done = subprocess.run(run, capture_output=True, text=True, timeout=200, check=True)
    return json.loads(done.stdout)


def require(folder: Path, name: str, requirement: str) -> None:
    """Add a requirement to the metadata of an installed package."""
    path = folder / f"{name}-1.0.dist-info" / "METADATA"
    path.write_text(path.read_text() + f"Requires-Dist: {requirement}\n")


def test_plugins_that_cannot_be_imported_are_named_with_their_line(install) -> None:
    folders = {
        name: install(f"iso_{name}", module, cells={name: f"iso_{name}:Cell"})
        for name, (module, _, _) in BROKEN.items()
    }
    commands = [["run", "--cfg", f"cell={name}"] for name in (*BROKEN, "gru")]
    *found, good = alone(*commands)
    for (name, (_, cause, line)), (status, _, message) in zip(BROKEN.items(), found, strict=True):
        assert status == 2, (name, message)
        assert cause in message and f"iso_{name} 1.0" in message
        if line is not None:
            assert f"{folders[name]}/iso_{name}.py:{line}" in message
    assert good[0] == 0 and "name: gru" in good[1]


def test_what_metadata_tell_is_said_without_an_import(install, capsys, monkeypatch) -> None:
    install("bad_target", GOOD, cells={"bad_target": "not a target"})
    folder = install("needy", "raise AssertionError", cells={"needy": "needy:Cell"})
    require(folder, "needy", "surely-not-installed>=2")
    folder = install("newer", "raise AssertionError", cells={"newer": "newer:Cell"})
    require(folder, "newer", "seqline>=99")
    folder = install("content", GOOD, cells={"content": "content:Cell"})
    require(folder, "content", "seqline>=0.1")
    require(folder, "content", "surely-not-installed; extra == 'more'")
    assert main(["plugins", "list", "cell", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["plugins"]
    states = {row["name"]: row["state"] for row in rows}
    assert "module:Class" in states["bad_target"]
    assert states["needy"] == "surely-not-installed is missing, it needs surely-not-installed>=2"
    assert states["newer"].startswith("wrong version: it needs seqline>=99, installed is 0.")
    assert states["content"] == states["gru"] == "not checked"
    for name, said in (("needy", "is missing"), ("newer", "wrong version")):
        with pytest.raises(PluginError, match=said):
            load("cell", name)


def test_list_check_tries_each_alone(install) -> None:
    install("lc_good", GOOD, cells={"lc_good": "lc_good:Cell"})
    install("lc_ends", "import os\nos._exit(0)", cells={"lc_ends": "lc_ends:Cell"})
    install("lc_loops", "while True: pass", cells={"lc_loops": "lc_loops:Cell"})
    ((status, said, _),) = alone(["plugins", "list", "cell", "--check", "--json"])
    assert status == 2
    states = {row["name"]: row["state"] for row in json.loads(said)["plugins"]}
    assert states["lc_good"] == states["lstm"] == "good"
    assert "ends the process with status 0" in states["lc_ends"]
    assert "takes longer than 2 seconds" in states["lc_loops"]


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("no_such_cell", "there is no plugin of this name"),
        ("nowhere/at_all", "there is no such file or folder"),
        ("empty", "pyproject.toml is missing"),
        ("plain.py", "it holds no plugin"),
        ("broken.py", "it cannot be imported"),
        ("idle", "it names no plugin"),
    ],
)
def test_checking_what_is_no_plugin(word: str, said: str, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "idle").mkdir()
    (tmp_path / "idle" / "pyproject.toml").write_text("[project]\nname = 'idle'\n")
    (tmp_path / "plain.py").write_text("x = 1\n")
    (tmp_path / "broken.py").write_text("raise SystemExit(4)\n")
    assert main(["plugins", "check", word]) == 2
    found = capsys.readouterr()
    assert said in found.err and "Traceback" not in found.err


def test_a_check_says_what_to_mend_and_ends_with_two(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    text = GOOD.replace(
        "return {", "t.state.h.mul_(0) if not t.x.candidate.requires_grad else 0; return {"
    )
    (tmp_path / "mine.py").write_text(text)
    assert main(["plugins", "check", "mine.py"]) == 2
    said = capsys.readouterr().out
    assert "FAIL help says what it is" in said and "has no docstring" in said
    assert "FAIL given tensors are not written into" in said
    assert max(map(len, said.splitlines())) <= 80


BAD_DECLARATIONS = {
    "twice": (GOOD.replace('"candidate",', '"candidate", "candidate"'), "two gates of one name"),
    "unset": (
        GOOD.replace("    def eq", '    state = ("h", "c")\n    def eq'),
        "state 'c' is never",
    ),
    "short": (GOOD.replace("t.x.candidate}", "t.x.candidate[:, :1]}"), "has the shape"),
    "stranger": (
        GOOD.replace("candidate}", 'candidate, "d": t.x.candidate}'),
        "'d' is returned, but no state; the cell declares h",
    ),
    "number": (
        GOOD.replace("    def eq", '    own = {"a": 1.0}\n    def eq'),
        "cell Cell: own: 'a': found 1.0, expected Own(init=…)",
    ),
    "unset_by_others": (
        GOOD.replace("    def eq", '    settable = ("c",)\n    def eq'),
        "cell Cell: settable: 'c' is no state; the cell declares h",
    ),
    "unread": (
        GOOD.replace("    def eq", '    own = {"a": Own(), "b": Own()}\n    def eq')
        .replace("import GatedCell", "import GatedCell, Own")
        .replace("t.x.candidate}", "t.x.candidate + t.h.candidate}"),
        "the own parameter 'a' never gets a gradient; nor does the own parameter 'b'",
    ),
    "unimported": (
        GOOD.replace("t.x.candidate}", "sigmoid(t.x.candidate)}"),
        "NameError: name 'sigmoid' is not defined",
    ),
    "no_dataclass": (GOOD + "    Config = {}\n", "expected a dataclass"),
    "half": (GOOD.replace("    gates", "    gate"), "no whole plugin, it lacks: gates"),
    "step": (
        "from seqline_plugins import StepCell\nclass Cell(StepCell):\n"
        "    '''A step.'''\n"
        "    def initial_state(self, batch): return {'h': torch.zeros(batch, self.hidden_size)}\n"
        "    def forward(self, x_t, state): return x_t, state\n",
        "forward of the cell Cell: found a tuple returned, expected a dict of h",
    ),
}


@pytest.mark.parametrize("name", BAD_DECLARATIONS)
def test_a_wrong_declaration_is_told_once_in_its_authors_words(
    name: str, tmp_path, monkeypatch, capsys
) -> None:
    monkeypatch.chdir(tmp_path)
    text, said = BAD_DECLARATIONS[name]
    text = text.replace("class Cell(GatedCell):", "class Cell(GatedCell):\n    '''A cell.'''")
    (tmp_path / "mine.py").write_text("import torch\n" + text)
    assert main(["plugins", "check", "mine.py"]) == 2
    found = capsys.readouterr()
    told = " ".join((found.out + found.err).split())
    assert said in told
    assert told.count(said) == 1
    if "the same stops" in told:
        assert "FAIL it cannot be run" in told
    assert len(found.out.splitlines()) <= 40

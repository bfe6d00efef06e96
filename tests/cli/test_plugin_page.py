"""`seqline plugins show`: a plugin's options, a cell's equations, derivative, tape and code."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from seqline.cli.cell_page import cell_sections
from seqline.cli.main import main
from seqline_plugins.cell import StepCell
from seqline_plugins.discovery import installed, load
from seqline_plugins.recurrence.generated import compiler

THEIRS = """
import torch
from dataclasses import dataclass
from seqline_plugins import Gate, GatedCell, StepCell, block_diagonal, option

print("a plugin may say something when it is imported")

@dataclass
class Config:
    scale: float = option(0.5, "what the candidate is multiplied by", low=0, high=2)

class Mine(GatedCell):
    '''A cell of another package.'''

    Config = Config
    gates = (Gate("candidate", recurrent=block_diagonal(3)), Gate("slow", recurrent="diagonal"))

    def equations(self, t):
        slow = torch.sigmoid(t.x.slow + t.h.slow)
        return {"h": slow * torch.tanh(t.x.candidate + t.h.candidate) * self.config.scale}

class Sorted(Mine):
    def equations(self, t):
        return {"h": torch.sort(t.x.candidate).values}

class Broken(Mine):
    def equations(self, t):
        return {"h": t.x.candidates}

class Twice(Mine):
    gates = ("a", "a")

class Step(StepCell):
    '''No gates at all.'''

    def initial_state(self, batch):
        return {"h": torch.zeros(batch, self.hidden_size)}

    def forward(self, x_t, state):
        return state
"""


@pytest.fixture
def theirs(install: Any) -> None:
    names = {"mine": "Mine", "sorted": "Sorted", "broken": "Broken", "twice": "Twice"}
    cells = {name: f"theirs:{target}" for name, target in (names | {"step": "Step"}).items()}
    install("theirs", THEIRS, version="2.1", cells=cells)


def shown(capsys: Any, *arguments: str) -> str:
    assert main(["plugins", "show", *arguments]) == 0
    return capsys.readouterr().out


def refused(capsys: Any, *arguments: str) -> str:
    assert main(["plugins", "show", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == "" and "Traceback" not in err
    return err


def test_a_cell_is_shown_from_its_options_to_its_code(capsys) -> None:
    out = shown(capsys, "lstm")
    parts = [
        "cell lstm, from seqline",
        "  cell.forget_bias=1.0\n      the forget gate's bias at the start",
        "  forget     H × I  H × H  b (starts at 1)",
        "  4 H I + 4 H H + 4 H = 98,816 at I = 64, H = 128",
        "  c = f * state.c + i * g",
        "  d x.forget = d f * (f * (1 - f))",
        "  kept         o, f, i, g, c\n  made again   tanh(c)",
        "  bytes        2,560 a token in float32 at H = 128",
        'extern "C" void forward_0(const Step* given) {',
        "auto* const at_before_1 = ROW(s->before[1]);",
        "const Vector state_c = load(at_before_1 + j);",
        "const Vector f = sigmoid(v",
        "const Vector d_f = d_c",
    ]
    places = [out.find(part) for part in parts]
    assert -1 not in places and places == sorted(places)
    code = out[out.index("// Generated") :]
    assert max(map(len, code.splitlines())) <= 80
    assert shown(capsys, "lstm", "--no-code") == out[: out.index("\n\nCode")] + "\n"


def test_json_has_every_part(capsys) -> None:
    page = json.loads(shown(capsys, "gru", "--json"))
    assert (page["kind"], page["name"]) == ("cell", "gru")
    assert page["options"][0] == {
        "key": "cell.reset_after",
        "value": "true",
        "default": "true",
        "help": "reset the product W_R h, as nn.GRU; false: h itself (Cho)",
        "expected": "true or false",
    }
    assert "new.h = (1 - z) * n + z * state.h" in page["equations"]
    assert page.keys() >= {"gates", "parameters", "kernel", "derivative", "tape", "source"}


def test_options_that_are_given_count(capsys) -> None:
    out = shown(capsys, "gru", "cell.reset_after=false", "cell.recurrent_bias=true")
    assert "  cell.reset_after=false  (default true)" in out
    assert "recurrent(candidate, r * state.h) + b_R.candidate" in out
    assert "3 H I + 3 H H + 6 H" in out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["gru", "reset_after=false"], "Did you mean 'cell.reset_after'?"),
        (["gru", "cell.reset_aftr=false"], "Did you mean 'reset_after'?"),
        (["gru", "cell.reset_after=7"], "cell.reset_after: found 7, expected true or false"),
        (["qrnn", "cell.window=0"], "cell.window: found 0, expected a whole number, at least 1"),
        (["lstmm"], "lstmm: there is no plugin of this name. Did you mean 'lstm'?"),
        (["cell=lstmm"], "Did you mean 'lstm'?"),
        (["cel=lstm"], "expected one of cell=lstm, architecture=lstm, task=lstm"),
    ],
)
def test_what_is_wrong_is_said_with_the_nearest_right(capsys, arguments, words: str) -> None:
    assert words in refused(capsys, *arguments)


def test_a_name_of_several_kinds_must_say_which(install, capsys) -> None:
    target = "seqline_plugins.architectures.many_to_many:ManyToMany"
    install("namesake", cells=None, architectures={"gru": target})
    assert "say cell=gru or architecture=gru" in refused(capsys, "gru")
    assert "architecture gru, from namesake 1.0" in shown(capsys, "architecture=gru")
    assert "cell gru, from seqline" in shown(capsys, "cell=gru")


def test_a_name_of_two_packages_names_both(install, capsys) -> None:
    install("copycat", "", cells={"gru": "copycat:GRU"})
    said = refused(capsys, "gru")
    assert "copycat 1.0" in said and "seqline_plugins.cells.gru:GRU" in said


def test_architectures_and_tasks_show_their_options(capsys) -> None:
    out = shown(capsys, "many_to_many")
    assert "cell@architecture.cell=NAME  (left alone: the top level's cell)" in out
    assert "architecture.hidden_size=256" in out and "output: aligned" in out
    out = shown(capsys, "pos_tagging", "task.words.size=64")
    assert "task.words.size=64  (default 128)" in out
    assert "test/accuracy, higher is better (the primary one)" in out
    assert "sequence → aligned: many_to_many" in out


def test_a_cell_of_another_package(theirs, capsys) -> None:
    assert main(["plugins", "show", "mine", "cell.scale=2"]) == 0
    out, err = capsys.readouterr()
    assert err == "a plugin may say something when it is imported\n"
    assert out.startswith("cell mine, from theirs 2.1: theirs:Mine\n\nA cell of another package.\n")
    assert "candidate  H × I  3 blocks, H/3 × H/3  b" in out
    assert "2 H I + H H / 3 + 3 H = 22,446 at I = 64, H = 129" in out
    assert "new.h = slow * tanh(x.candidate + h.candidate) * 2" in out
    assert "slow = sigmoid(x.slow + w_R.slow * state.h)" in out


def test_an_operation_that_cannot_be_traced_is_named(theirs, capsys) -> None:
    out = shown(capsys, "sorted")
    assert "reference: the plain loop\n  No code is generated: the operation 'sort'." in out
    assert "extern" not in out


def test_a_step_cell_says_why_it_has_no_code(theirs, capsys) -> None:
    out = shown(capsys, "step")
    assert "No gates at all." in out and "It is a StepCell" in out


@pytest.mark.parametrize(
    ("name", "cause"),
    [
        ("broken", "equations of the cell Broken: there is no gate 'candidates'; there are"),
        ("twice", "two gates of one name"),
    ],
)
def test_a_cell_that_fails_is_said_in_one_message(theirs, capsys, name: str, cause: str) -> None:
    assert cause in refused(capsys, name)


def test_a_run_of_a_cell_whose_gates_contradict_is_refused_before_its_data(theirs, capsys) -> None:
    for name, said in (("twice", "two gates of one name"), ("broken", "theirs.py:28: equations")):
        assert main(["run", "--cfg", f"cell={name}"]) == 2
        assert said in capsys.readouterr().err
    assert main(["run", "--cfg", "cell=sorted"]) == 0  # no code is made of it, but it is right


def test_without_a_compiler_the_code_is_shown_and_said_not_to_serve(
    capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    compiler.find_compiler.cache_clear()
    out = shown(capsys, "lstm")
    compiler.find_compiler.cache_clear()
    assert "vendor: torch's lstm layer\n  The code below is not compiled: no C++ compiler" in out
    assert 'extern "C" void forward_0' in out


def test_a_law_that_is_shown_gives_the_number_beside_it() -> None:
    for name in installed("cell"):
        plugin = load("cell", name)
        if issubclass(plugin, StepCell):
            continue
        sections = {one.key: one.lines for one in cell_sections(plugin, plugin.Config())}
        (line,) = sections["parameters"]
        found = re.fullmatch(r"(.+) = ([\d,]+) at I = (\d+), H = (\d+)", line)
        assert found is not None
        law, number, I, H = found.groups()
        terms = law.replace("I", I).replace("H", H).replace(" / ", "/").split(" + ")
        assert sum(eval("*".join(term.split())) for term in terms) == int(number.replace(",", ""))
        assert len(sections["equations"]) > 3 and len(sections["derivative"]) > 2

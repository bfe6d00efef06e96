"""The command line: help, exit statuses, messages, listing, completion."""

from __future__ import annotations

import errno
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from seqline.cli.failure import message_of
from seqline.cli.main import main
from seqline.home import open_home

SEQLINE = [sys.executable, "-c", "import sys; from seqline.cli.main import main; sys.exit(main())"]


@dataclass
class Report:
    run_id: str = "0123456789abcdef"
    metrics: dict[str, float] = field(default_factory=lambda: {"f1": 0.5, "accuracy": 0.91})
    baseline: dict[str, float] = field(default_factory=lambda: {"accuracy": 0.8})
    primary: str = "accuracy"
    direction: str = "higher"
    samples: list[str] = field(default_factory=lambda: ["a dog/NOUN"])
    export: Path = Path("exported")
    warnings: list[str] = field(default_factory=list)


@pytest.fixture
def pipeline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    """Put a pipeline in the place of the real one, which takes seconds to import."""
    launch = ModuleType("seqline.launch")
    launch.launch = lambda *args, **kwargs: Report()  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "seqline.launch", launch)
    return launch


def failing(pipeline: Any, error: BaseException) -> None:
    def launch(*args: Any, **kwargs: Any) -> None:
        raise error

    pipeline.launch = launch


def test_help_answers_at_once() -> None:
    times = []  # of the processor, which nobody else's work lengthens
    for _ in range(5):
        start = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run([*SEQLINE, "--help"], capture_output=True, text=True, check=False)
        end = resource.getrusage(resource.RUSAGE_CHILDREN)
        times.append(end.ru_utime + end.ru_stime - start.ru_utime - start.ru_stime)
    assert done.returncode == 0 and "predict" in done.stdout
    assert statistics.median(times) < 0.4


def test_help_imports_nothing_heavy() -> None:
    code = "import sys; from seqline.cli.main import main; main(['run', '--help']); "
    code += "print([m for m in ('torch','hydra','mlflow','prefect','rich') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_version(capsys) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("seqline ")


@pytest.mark.parametrize(
    "arguments", [["rnu"], ["run", "--frech"], ["predict"], ["plugins", "lits"], []]
)
def test_wrong_usage_is_status_2(arguments: list[str], capsys) -> None:
    assert main(arguments) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_wrong_override_is_one_message_on_standard_error(capsys) -> None:
    assert main(["run", "cell=lstmm"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: cell: unknown cell 'lstmm'. Did you mean 'lstm'?")
    assert "Traceback" not in err


def test_wrong_override_writes_nothing(tmp_path: Path) -> None:
    done = subprocess.run(
        [*SEQLINE, "run", "cell=lstm", "cell.reset_after=true"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "cell.reset_after: cell=lstm has no such option" in done.stderr
    assert not list(tmp_path.iterdir())


def test_traceback_is_shown_when_asked_for(capsys) -> None:
    assert main(["run", "cell=lstmm", "--traceback"]) == 2
    err = capsys.readouterr().err
    assert "Traceback" in err and "error: cell" in err


def test_json_says_errors_too(capsys) -> None:
    assert main(["run", "cell=lstmm", "--json"]) == 2
    said = json.loads(capsys.readouterr().out)
    assert said["status"] == 2 and "lstmm" in said["error"]


def test_cfg_prints_the_configuration_as_yaml(capsys) -> None:
    assert main(["run", "--cfg", "cell=gru", "trainer.lr=0.5"]) == 0
    out = capsys.readouterr().out
    assert "# units of each layer and direction (a whole number, at least 1)" in out
    config = yaml.safe_load(out)
    assert config["architecture"]["cell"]["name"] == "gru"
    assert config["trainer"]["lr"] == 0.5


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (KeyboardInterrupt(), 130, "interrupted"),
        (OSError(errno.ENOSPC, "No space left on device", "x.bin"), 1, "disk is full"),
        (RuntimeError("I/O error: No space left on device (os error 28)"), 1, "disk is full"),
        (MemoryError(), 1, "out of memory"),
        (RuntimeError("first line\nsecond line"), 1, "RuntimeError: first line"),
        (ZeroDivisionError(), 1, "--traceback"),
    ],
)
def test_failures_end_with_their_status(pipeline, capsys, error, status: int, words: str) -> None:
    failing(pipeline, error)
    assert main(["run"]) == status
    err = capsys.readouterr().err
    assert words in err and "Traceback" not in err and "second line" not in err


def test_full_disk_is_found_behind_another_error(pipeline, capsys) -> None:
    full = RuntimeError("cannot save")
    full.__cause__ = OSError(errno.ENOSPC, "No space left on device")
    failing(pipeline, full)
    assert main(["run"]) == 1
    assert "disk is full" in capsys.readouterr().err


def test_a_disk_without_room_for_a_run_is_said_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEQLINE_HOME", str(tmp_path))
    usage = shutil.disk_usage("/")._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(OSError) as full:
        open_home()
    assert message_of(full.value).startswith(f"the disk is full while writing {tmp_path}")


def test_data_that_are_not_there_are_refused_before_anything_starts(pipeline, capsys) -> None:
    def launch(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("launched")

    pipeline.launch = launch
    given = ["data=files", "data.train=gone.conllu", "data.test=gone.conllu"]
    assert main(["run", *given]) == 2
    assert "data.train=gone.conllu: there is no such file" in capsys.readouterr().err


def test_termination_counts_as_an_interrupt(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys; from seqline.cli.failure import reported\n"
        "with reported():\n    os.kill(os.getpid(), signal.SIGTERM)\n    signal.pause()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 130
    assert done.stderr == "interrupted.\n"


@pytest.mark.parametrize("write", ["print", "Console().print"])
def test_a_reader_that_goes_away_is_no_failure(write: str) -> None:
    code = "from rich.console import Console; from seqline.cli.failure import reported\n"
    code += f"with reported():\n    for _ in range(100_000): {write}('line')"
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert (process.wait(60), process.stderr.read()) == (0, b"")


def test_run_shows_one_table_samples_and_what_to_do_next(pipeline, capsys) -> None:
    assert main(["run", "trainer.max_epochs=3", "data.seed=4", "cell=gru"]) == 0
    out = capsys.readouterr().out
    lines = out.splitlines()
    assert lines[0].split() == ["test", "model", "baseline", "difference"]
    assert lines[1].split() == ["accuracy", "0.9100", "0.8000", "+0.1100"]
    assert "a dog/NOUN" in out
    assert "seqline predict exported FILE" in out
    assert "seqline run trainer.max_epochs=3 data.seed=4 cell=lstm" in out
    assert "\x1b" not in out


def test_run_prints_one_json_object(pipeline, capsys) -> None:
    def launch(*args: Any, **kwargs: Any) -> Report:
        print("noise of a library")  # noqa: T201
        return Report()

    pipeline.launch = launch
    assert main(["run", "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["metrics"]["accuracy"] == 0.91
    assert err == "noise of a library\n"


def test_predict_on_what_is_no_export(tmp_path: Path, capsys) -> None:
    file = tmp_path / "text.txt"
    file.write_text("a b\n")
    assert main(["predict", str(tmp_path / "nowhere"), str(file)]) == 2
    assert "nowhere" in capsys.readouterr().err
    assert main(["predict", str(tmp_path), str(file)]) == 2
    assert "no exported model" in capsys.readouterr().err
    assert main(["predict", str(tmp_path), str(tmp_path / "absent.txt")]) == 2
    assert "there is no such file" in capsys.readouterr().err


def test_plugins_are_listed_from_metadata_alone(install, capsys) -> None:
    install("brittle", "raise SystemExit(3)", version="4.5", cells={"brittle": "brittle:Cell"})
    install("copycat", "", cells={"gru": "copycat:GRU"})
    assert main(["plugins", "list", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["plugins"]
    found = {(row["name"], row["distribution"]): row for row in rows}
    assert found["brittle", "brittle"] == {
        "kind": "cell",
        "name": "brittle",
        "target": "brittle:Cell",
        "distribution": "brittle",
        "version": "4.5",
        "state": "not checked",
    }
    assert found["gru", "copycat"]["state"] == found["gru", "seqline"]["state"] == "duplicate"
    assert "brittle" not in sys.modules
    assert main(["plugins", "list", "cell"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("kind\tname\ttarget")
    assert all(line.startswith("cell\t") for line in lines[1:])


@pytest.mark.parametrize("width", [60, 80, 130])
def test_a_terminal_shows_targets_where_they_have_room(width: int, capsys, monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("LINES", "40")  # without it a dumb terminal has 80 columns
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert main(["plugins", "list", "architecture"]) == 0
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert max(map(len, lines)) <= width
    (shown,) = (line.split() for line in lines if "encoder_decoder" in line)
    target = "seqline_plugins.architectures.encoder_decoder:EncoderDecoder"
    assert shown[:3] == ["architecture", "encoder_decoder", "seqline"]
    assert shown[4:] == ([target] if width == 130 else [])


def test_unknown_kind_of_plugin(capsys) -> None:
    assert main(["plugins", "list", "cel"]) == 2
    assert "Did you mean 'cell'?" in capsys.readouterr().err


def complete(shell: str, line: str, words: list[str] | None = None) -> list[str]:
    environment = os.environ | {"_SEQLINE_COMPLETE": f"complete_{shell}"}
    if words is None:
        environment |= {
            "_TYPER_COMPLETE_ARGS": line,
            "_TYPER_COMPLETE_FISH_ACTION": "get-args",
        }
    else:
        environment |= {"COMP_WORDS": "\n".join(words), "COMP_CWORD": str(len(words) - 1)}
    done = subprocess.run(SEQLINE, env=environment, capture_output=True, text=True, check=False)
    return done.stdout.split()


def test_bash_completes_values_after_its_word_break() -> None:
    assert complete("bash", "", ["seqline", "run", "cell", "=", "ls"]) == ["lstm"]
    assert {"gru", "lstm", "rnn"} <= set(complete("bash", "", ["seqline", "run", "cell", "="]))
    words = ["seqline", "run", "cell", "@", "architecture.cell", "=", "g"]
    assert complete("bash", "", words) == ["gru"]
    assert complete("bash", "", ["seqline", "run", "trainer.lr_"]) == []


def test_fish_completes_whole_overrides() -> None:
    assert "trainer.max_epochs=" in " ".join(complete("fish", "seqline run trainer.max_"))


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("cel", ["cell=antisymmetric_rnn", "cell=cifg"]),
        ("da", ["data=", "data.source=", "data.repo="]),
        ("trainer.opt", ["trainer.optimizer=adam", "trainer.optimizer=adamw"]),
        ("trainer.optimizer=s", ["trainer.optimizer=sgd"]),
        ("trainer.lr=", ["trainer.lr=0.001"]),
        ("cell@architecture.cell=r", ["cell@architecture.cell=rnn"]),
        ("experiment=ew", ["experiment=ewt_upos"]),
    ],
)
def test_candidates(word: str, expected: list[str]) -> None:
    from seqline.cli.completion import candidates

    assert candidates(word)[: len(expected)] == expected

"""A language model through all stages, and what it writes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from seqline import stages
from seqline.cli.main import main
from seqline.config.compose import compose
from seqline.home import Home
from seqline.reporter import SilentReporter
from seqline.stages import Workspace
from seqline.stages.folder import read_json
from seqline.training.loop import Watchers

SMALL = [
    "architecture.hidden_size=24",
    "architecture.input_dropout=0",
    "architecture.output_dropout=0",
    "task.characters.size=12",
    "task.window=8",
    "task.samples.length=40",
    "trainer.batch_size=4",
    "trainer.lr=0.02",
    "trainer.device=cpu",
    "trainer.validate_every=4",
    "trainer.threads=1",
]
TEXT = "int main(void)\n{\n\treturn 0;\n}\n\n"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a pipeline's stages."""
    folder = tmp_path_factory.mktemp("language")
    (folder / "code.c").write_text(TEXT * 60, encoding="utf-8")
    given = ["task=c_code", "data=files", f"data.file={folder}/code.c", *SMALL]
    streams = ["architecture.bidirectional=false", "trainer.bptt_steps=16"]
    run(compose([*given, *streams, "trainer.max_epochs=12"]), folder / "home")
    return folder


@pytest.fixture(scope="module")
def windowed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same by windows: eight characters in, the next one out."""
    folder = tmp_path_factory.mktemp("windows")
    (folder / "code.c").write_text(TEXT * 60, encoding="utf-8")
    given = ["task=c_code", "data=files", f"data.file={folder}/code.c", *SMALL]
    more = ["architecture=many_to_one", "trainer.max_epochs=2", "trainer.batch_size=32"]
    run(compose([*given, *more]), folder / "home")
    return folder


def run(config: dict, home: Path) -> dict[str, stages.StageResult]:
    reporter = SilentReporter()
    given = (config, Workspace(Home(home), reporter))
    prepared = stages.prepare(*given)
    done = stages.train(*given, prepared, Watchers(reporter, home / "checkpoints"))
    evaluated = stages.evaluate(*given, prepared, done)
    exported = stages.export(*given, prepared, done, evaluated)
    for name, stage in {"prepared": prepared, "evaluated": evaluated, "exported": exported}.items():
        (home / name).symlink_to(stage.folder)
    return {"evaluated": evaluated}


def test_it_learns_and_is_scored_beside_counts(trained: Path) -> None:
    results = read_json(trained / "home" / "evaluated" / "metrics.json")
    assert results["primary"] == "bits_per_character"
    assert results["metrics"]["bits_per_character"] < 0.5
    assert results["metrics"]["accuracy"] > 0.9
    assert results["baseline"]["bits_per_character"] > 3
    assert results["baseline"]["five_gram_bits_per_character"] < 0.5
    assert results["baseline"]["test_text_parsed"] == 1.0
    samples = read_json(trained / "home" / "evaluated" / "samples.json")
    assert len(samples) == 4 and all(len(text) == 40 for text in samples)


def test_nothing_is_kept_that_is_as_long_as_the_corpus(trained: Path) -> None:
    home = trained / "home"
    assert len(read_json(home / "prepared" / "test.json")) == 1
    said = (home / "evaluated" / "predictions.jsonl").read_text(encoding="utf-8")
    assert len(said.splitlines()) == 4  # the samples


def generated(capfd: pytest.CaptureFixture[str], folder: Path, *arguments: str) -> str:
    assert main(["generate", str(folder / "home" / "exported"), *arguments]) == 0
    return capfd.readouterr().out


def test_the_same_seed_writes_the_same(trained: Path, capfd: pytest.CaptureFixture[str]) -> None:
    options = ["--n", "2", "--from", "int ", "decode.max_length=30"]
    one, again, other = (
        generated(capfd, trained, *options, f"decode.seed={seed}", "decode.temperature=3")
        for seed in (1, 1, 2)
    )
    assert one == again != other
    assert one.startswith("int ") and "\n\nint " in one
    greedy = [
        generated(capfd, trained, *options, f"decode.{other}", "decode.temperature=0")
        for other in ("seed=1", "seed=2", "precision=bf16")
    ]
    assert greedy[0] == greedy[1] == greedy[2]
    assert greedy[0].startswith("int main(void)\n{\n\treturn 0;\n}\n")


def test_windows_learn_score_and_write_too(
    windowed: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    results = read_json(windowed / "home" / "evaluated" / "metrics.json")
    assert results["metrics"]["bits_per_character"] < 0.6
    options = ["--from", "}\n\nint mai", "decode.max_length=17", "decode.temperature=0"]
    assert generated(capfd, windowed, *options) == "}\n\nint main(void)\n{\n\treturn\n"


def test_one_to_many_goes_on_from_its_first_words(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "code.c").write_text(TEXT * 60, encoding="utf-8")
    given = ["task=text", "data=files", f"data.file={tmp_path}/code.c", *SMALL]
    more = ["architecture=one_to_many", "task.window=33", "task.beginning=4"]
    run(compose([*given, *more, "trainer.max_epochs=30"]), tmp_path / "home")
    results = read_json(tmp_path / "home" / "evaluated" / "metrics.json")
    assert results["metrics"]["bits_per_character"] < 1.0
    options = ["--from", "int main(", "decode.max_length=6", "decode.temperature=0"]
    assert generated(capfd, tmp_path, *options).startswith("int main(void)")


def test_one_to_many_writes_as_the_class_that_is_asked_for(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for name, text in (("sheep", "baa baa baa\n"), ("cows", "moo moo moo\n")):
        (tmp_path / f"{name}.txt").write_text(text * 200, encoding="utf-8")
    given = ["task=text", "data=files", f"data.file={tmp_path}/*.txt", *SMALL]
    more = ["architecture=one_to_many", "task.entity=class", "task.window=25"]
    run(compose([*given, *more, "trainer.max_epochs=10"]), tmp_path / "home")
    results = read_json(tmp_path / "home" / "evaluated" / "metrics.json")
    assert results["metrics"]["bits_per_character"] < 0.5
    options = ["decode.max_length=12", "decode.temperature=0"]
    for name, said in (("sheep", "baa baa baa\n"), ("cows", "moo moo moo\n")):
        assert generated(capfd, tmp_path, "--from", name, *options) == f"{said}\n"
    assert generated(capfd, tmp_path, "--from", "sheep: ba", *options).startswith("baa baa")
    exported = str(tmp_path / "home" / "exported")
    (tmp_path / "lines").write_text("cows\n", encoding="utf-8")
    assert main(["predict", exported, str(tmp_path / "lines"), *options]) == 0
    assert capfd.readouterr().out == "cows: moo moo moo\n"
    assert main(["generate", exported, "--from", "shep"]) == 2
    assert "unknown class 'shep'. Did you mean 'sheep'?" in capfd.readouterr().err


def test_what_it_never_saw_is_warned_of_and_works(
    trained: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = str(trained / "home" / "exported")
    assert main(["generate", folder, "--from", "Ж", "decode.max_length=5", "--json"]) == 0
    said = capfd.readouterr()
    assert "--from: the model never saw 'Ж' in training" in said.err
    (text,) = json.loads(said.out)["texts"]
    assert len(text) == 6 and text[0] == "�"


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("decode.temperature=-1", "decode.temperature: found -1, expected a number, at least 0"),
        ("trainer.lr=1", "trainer.lr: a trained model's keys cannot be changed"),
    ],
)
def test_wrong_wishes_are_refused(
    trained: Path, capfd: pytest.CaptureFixture[str], wrong: str, said: str
) -> None:
    assert main(["generate", str(trained / "home" / "exported"), wrong]) == 2
    assert said in capfd.readouterr().err


def test_texts_are_written_as_files_where_a_folder_is_given(
    trained: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    options = ["--n", "2", "--to", str(tmp_path / "out"), "decode.max_length=9"]
    files = generated(capfd, trained, *options).split()
    assert files == [str(tmp_path / "out" / f"c_code-{n}.txt") for n in (1, 2)]
    assert all(len(Path(file).read_text(encoding="utf-8")) == 9 for file in files)


def test_predict_goes_on_from_each_line(
    trained: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "lines.txt").write_text("int mai\n\n", encoding="utf-8")
    assert main(["predict", str(trained / "home" / "exported"), str(tmp_path / "lines.txt")]) == 0
    assert capfd.readouterr().out == "int main(void)\n\n"


def test_a_model_that_makes_nothing_by_itself_says_so(
    first_run, capfd: pytest.CaptureFixture[str]
) -> None:
    (exported,) = first_run.home.stages.glob("export-*")
    assert main(["generate", str(exported / "model")]) == 2
    assert "task=pos_tagging makes nothing by itself" in capfd.readouterr().err

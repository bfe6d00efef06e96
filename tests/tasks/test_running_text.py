"""Running text: read block by block, in numbers, as streams and as windows."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
import torch

from seqline.config.compose import compose
from seqline_plugins.architecture import Kind
from seqline_plugins.build import build_task
from seqline_plugins.errors import UserError
from seqline_plugins.options import build_config
from seqline_plugins.task.source import DataSource
from seqline_tasks.data.docstrings import docstrings, versions_of
from seqline_tasks.language_model import corpus, stream
from seqline_tasks.language_model.config import Config
from seqline_tasks.language_model.corpus import FileText, RunningText, StringText, blocks_of
from seqline_tasks.language_model.encoding import UNKNOWN, CharacterEncoding

TEXT = "".join(f"line {number}: äöü € 𝄞 {'x' * (number % 7)}\n" for number in range(400))


def whole(examples) -> str:
    return "".join(example["text"] for example in examples)


@pytest.fixture
def small_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corpus, "BYTES", 13)  # characters of several bytes are torn apart
    monkeypatch.setattr(corpus, "BLOCK", 50)
    monkeypatch.setattr(stream, "CHUNK", 64)


@pytest.mark.parametrize("name", ["text.txt", "text.txt.gz"])
@pytest.mark.parametrize("text", [TEXT, TEXT.encode("ascii", "ignore").decode(), "no end"])
def test_any_part_of_a_file_is_what_it_is(
    tmp_path: Path, small_reads: None, name: str, text: str
) -> None:
    path = tmp_path / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith("gz") else text.encode())
    wanted = text if text.endswith("\n") else f"{text}\n"
    read = RunningText([FileText(path)])
    assert read.characters == len(wanted)
    assert whole(read) == wanted
    for start, stop in ((0, 1), (3, 120), (120, 121), (len(wanted) - 2, len(wanted) + 9)):
        assert whole(read.part(start, stop)) == wanted[start:stop]
    assert read[0]["text"] == wanted[:50]
    assert [len(one["text"]) for one in read][:-1] == [50] * (len(read) - 1)


def test_files_follow_each_other_and_a_mark_is_no_text(tmp_path: Path, small_reads: None) -> None:
    (tmp_path / "a.c").write_bytes(b"\xef\xbb\xbfint a;")
    (tmp_path / "b.c").write_text("int b;\n", encoding="utf-8")
    read = RunningText([FileText(tmp_path / name) for name in ("a.c", "b.c")])
    assert whole(read) == "int a;\nint b;\n"
    assert whole(read.part(5, 10)) == ";\nint"


@pytest.mark.parametrize("name", ["bad.txt", "bad.txt.gz"])
def test_bytes_that_are_no_utf8_are_named_by_their_place(
    tmp_path: Path, small_reads: None, name: str
) -> None:
    raw = ("ä" * 100).encode() + b"\xff" + b"more"
    path = tmp_path / name
    path.write_bytes(gzip.compress(raw) if name.endswith("gz") else raw)
    with pytest.raises(UserError, match=rf"{name}, byte 200: found 0xff, expected UTF-8"):
        FileText(path)
    path.write_bytes(gzip.compress(b"ok\xc3") if name.endswith("gz") else b"ok\xc3")
    with pytest.raises(UserError, match="byte 2: found 0xc3"):
        FileText(path)


def test_a_gz_file_that_is_cut_short_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "cut.gz"
    path.write_bytes(gzip.compress(TEXT.encode())[:-20])
    with pytest.raises(UserError, match="cut short"):
        FileText(path)


def test_blocks_are_of_one_size() -> None:
    assert list(blocks_of(["ab", "", "cdefg", "h"], 3)) == ["abc", "def", "gh"]
    assert list(blocks_of([], 3)) == []


def encoding_of(text: str, **options) -> CharacterEncoding:
    config = build_config(Config, {"window": 4, **options}, "task")
    return CharacterEncoding.build([{"text": text}], config)


def test_numbers_and_text_are_each_other(tmp_path: Path) -> None:
    encoding = encoding_of(TEXT)
    assert encoding.text(encoding.numbers(TEXT)) == TEXT
    assert encoding.numbers("Ж").tolist() == [UNKNOWN]
    assert encoding.text([UNKNOWN]) == "�"
    assert encoding.unknown("aЖЖz") == ["a", "z", "Ж"]
    encoding.save(tmp_path)
    again = CharacterEncoding.load(tmp_path)
    assert again.numbers(TEXT).tolist() == encoding.numbers(TEXT).tolist()
    rare = encoding_of("aaab", characters={"min_count": 2})
    assert rare.characters == ["a"]


def test_many_characters_take_wider_numbers() -> None:
    encoding = encoding_of("".join(map(chr, range(0x4E00, 0x4E00 + 300))))
    assert encoding.numbers("一").dtype == np.uint16


def test_a_stored_text_is_read_as_streams_and_as_windows(tmp_path: Path, small_reads: None) -> None:
    encoding = encoding_of(TEXT)
    written = encoding.encode(RunningText([StringText(TEXT)]))
    written.save(tmp_path / "split")
    read = stream.CharacterStream.load(tmp_path / "split")
    numbers = encoding.numbers(TEXT).astype(np.int64)
    assert read.tokens == len(numbers) == written.tokens
    for count in (1, 3):
        rows = read.streams(count)
        length = (len(numbers) - 1) // count
        assert [int(one) for one in rows.lengths] == [length] * count
        window = rows.window(range(count), 60, 200)
        for row in range(count):
            at = row * length + 60
            assert window["tokens"][row].tolist() == numbers[at : at + 140].tolist()
            assert window["targets"][row].tolist() == numbers[at + 1 : at + 141].tolist()
        last = rows.window(range(count), length - 3, length + 50)
        assert last["lengths"].tolist() == [3] * count
        assert last["targets"][-1, -1] == numbers[count * length]
    assert len(read.lengths) == len(numbers) - 4
    batch = read.batch([0, 62, 7])
    assert batch["tokens"][1].tolist() == numbers[62:66].tolist()
    assert batch["targets"].tolist() == [numbers[4], numbers[66], numbers[11]]
    assert batch["lengths"].tolist() == [4, 4, 4]
    with pytest.raises(UserError, match="found 100000 streams, but the text has only"):
        read.streams(100_000)


def source(overrides: list[str]):
    config = compose(["task=text", "architecture.bidirectional=false", *overrides])
    task = build_task(config["task"])
    return task.source(task.config), build_config(DataSource, config["data"], "data")


def test_a_file_is_split_in_order_by_its_characters(tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_text(TEXT, encoding="utf-8")
    reader, data = source(["data=files", f"data.file={path}"])
    parts = reader.read(data)
    sizes = [len(whole(parts[name])) for name in ("train", "validation", "test")]
    assert sizes[1] == sizes[2] == round(0.05 * len(TEXT)) and sum(sizes) == len(TEXT)
    assert "".join(whole(part) for part in parts.values()) == TEXT
    reader, data = source(["data=files", f"data.file={path}", "data.split=[100,20,30]"])
    assert [part.characters for part in reader.read(data).values()] == [100, 20, 30]


def test_running_text_is_never_shuffled(tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_text(TEXT, encoding="utf-8")
    reader, data = source(["data=files", f"data.file={path}", "data.split_by=random"])
    with pytest.raises(UserError, match=r"data\.split_by: found 'random', expected order"):
        reader.read(data)


def test_globs_and_three_files_are_read(tmp_path: Path) -> None:
    for name in ("a.c", "b.c", "test.h"):
        (tmp_path / name).write_text(f"int {name[0]};\n" * 30, encoding="utf-8")
    given = [f"data.train={tmp_path}/*.c", f"data.test={tmp_path}/test.h"]
    reader, data = source(["data=files", *given])
    parts = reader.read(data)
    assert whole(parts["train"]) + whole(parts["validation"]) == "int a;\n" * 30 + "int b;\n" * 30
    assert whole(parts["test"]) == "int t;\n" * 30


def test_a_text_that_reads_ahead_is_refused() -> None:
    with pytest.raises(UserError, match=r"task=text is learned from running text.*bidirectional"):
        compose(["task=text"])


def test_streams_carry_the_state_in_training(tmp_path: Path) -> None:
    config = compose(["task=text", "architecture.bidirectional=false"])
    assert config["trainer"]["bptt_steps"] == 100
    assert compose([])["trainer"]["bptt_steps"] is None


def test_docstrings_are_read_from_the_sources(tmp_path: Path, monkeypatch) -> None:
    folder = tmp_path / "of_a_library"
    (folder / "tests").mkdir(parents=True)
    (folder / "__init__.py").write_text('"""All of it."""\nraise RuntimeError\n')
    (folder / "tests" / "test_it.py").write_text('"""Not written for readers."""\n')
    (folder / "broken.py").write_text("def (:\n")
    (folder / "part.py").write_text(
        'class Thing:\n    def do(self):\n        """Do it.\n\n            Twice.\n        """\n'
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert [(one.library, one.name, one.text) for one in docstrings(["of_a_library"])] == [
        ("of_a_library", "__init__", "All of it."),
        ("of_a_library", "part.Thing.do", "Do it.\n\nTwice."),
    ]
    assert versions_of(["python", "of_a_library"])["of_a_library"] == "unknown"
    with pytest.raises(UserError, match="package no_such_library, which is not installed"):
        docstrings(["no_such_library"])


def test_scores_of_one_text_are_the_same_in_any_windows() -> None:
    from seqline.model import build_model
    from seqline.training.inference import answers

    options = ["architecture.hidden_size=8", "task.characters.size=4"]
    config = compose(["task=text", "architecture.bidirectional=false", *options])
    encoding = encoding_of(TEXT)
    split = encoding.encode([{"text": TEXT}])
    torch.manual_seed(0)
    model = build_model(config, encoding).double().eval()
    cpu = torch.device("cpu")
    total = sum(found.loss[0] for found in answers(model, split, cpu, with_loss=True))
    every = split.streams(1).batch([0])
    with torch.no_grad():
        wanted, count = model.loss(model(every)[0], every)
    assert count == len(TEXT) - 1 > 4096  # so that there are several windows
    assert total == pytest.approx(float(wanted), abs=1e-8)


def classes_of(texts: dict[str, str], folder: Path, **data: str):
    folder.mkdir(exist_ok=True)
    for name, text in texts.items():
        (folder / f"{name}.txt").write_text(text, encoding="utf-8")
    task = build_task({"name": "text", "entity": "class", "window": 4})
    source = task.source(task.config)
    splits = source.read(DataSource(source="files", file=str(folder / "*.txt"), **data))
    return splits, task


def test_the_text_of_each_class_is_dealt_by_itself_and_known_in_numbers(
    tmp_path: Path, small_reads: None
) -> None:
    texts = {"ann": "a" * 199 + "\n", "bob": "b" * 99 + "\n"}
    splits, task = classes_of(texts, tmp_path)
    assert whole(splits["train"]) == "a" * 180 + "b" * 90
    assert whole(splits["test"]) == "a" * 9 + "\n" + "bbbb\n"
    assert splits["train"].classes() == [(0, "ann"), (180, "bob")]
    assert splits["test"].classes() == [(0, "ann"), (10, "bob")]
    encoding = task.encoding.build(splits["train"], task.config)
    encoding.save(tmp_path)
    encoding = task.encoding.load(tmp_path)
    assert encoding.classes == ["ann", "bob"] and encoding.describe()["classes"] == 2
    encoding.encode(splits["train"]).save(tmp_path / "train")
    pieces = stream.CharacterStream.load(tmp_path / "train").seen_by(Kind("entity", "sequence"))
    batch = pieces.batch([0, 44, 45, 66])
    letters = [encoding.text(row) for row in batch["tokens"].numpy()]
    assert letters == ["aaaa", "aaaa", "bbbb", "bbbb"] and batch["class"].tolist() == [1, 1, 2, 2]
    inputs = task.inputs(task.config, encoding)
    assert inputs.entity(batch).shape == (4, inputs.entity_size)
    features, lengths = inputs.targets(batch)
    assert features.shape[1] == 4 and lengths.tolist() == [4] * 4


def test_a_class_is_a_folder_where_files_lie_in_several(tmp_path: Path) -> None:
    for name in ("x/1.txt", "x/2.txt", "y/1.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name[0] * 30 + "\n", encoding="utf-8")
    task = build_task({"name": "text", "entity": "class"})
    files = {"source": "files", "file": str(tmp_path / "*" / "*.txt")}
    splits = task.source(task.config).read(DataSource(**files))
    assert [name for _, name in splits["train"].classes()] == ["x", "y"]
    parts = {"train": files["file"], "test": files["file"], "source": "files"}
    splits = task.source(task.config).read(DataSource(**parts))
    assert splits["validation"].classes() == [(0, "x"), (3, "y")]
    assert splits["train"].characters == 59 + 30 and splits["test"].characters == 93


def test_one_class_shares_in_counts_and_the_hub_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="found one class, 'ann'"):
        classes_of({"ann": "a" * 50}, tmp_path / "one")
    with pytest.raises(UserError, match=r"data.split: found \[10, 5, 5\], expected shares"):
        classes_of({"ann": "a" * 50, "bob": "b" * 50}, tmp_path / "two", split=[10, 5, 5])
    task = build_task({"name": "text", "entity": "class"})
    with pytest.raises(UserError, match="the classes are files or folders"):
        task.source(task.config).read(DataSource(source="hub"))


@pytest.mark.parametrize("name", ["text", "c_code"])
def test_what_is_built_in_has_classes_too(name: str) -> None:
    task = build_task({"name": name, "entity": "class"})
    found = task.source(task.config).builtin_classes()
    assert {"python", "numpy"} <= found.keys()
    assert all(text.characters > 100_000 for text in found.values())


def test_a_text_is_made_from_a_class_by_one_to_many_alone() -> None:
    with pytest.raises(UserError, match=r"task.entity: found class.*architecture=one_to_many"):
        compose(["task=text", "task.entity=class", "architecture.bidirectional=false"])
    assert compose(["task=text", "task.entity=class", "architecture=one_to_many"])

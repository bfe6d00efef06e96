"""Labelled texts: where they come from, what is wrong in a file, in numbers."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest
import torch

from seqline_plugins.errors import UserError
from seqline_plugins.options import build_config
from seqline_plugins.task.source import DataSource
from seqline_tasks.classification import Classification
from seqline_tasks.classification.words import cut

LINES = "".join(
    f"{'good' if n % 2 else 'bad'} a {'fine' if n % 2 else 'dull'} film , no {n}\n"
    for n in range(20)
)


def task(**options: Any) -> Classification:
    return Classification(build_config(Classification.Config, options, "task"))


def read(folder: Path, text: str, name: str = "x.txt", **data: Any) -> dict[str, Any]:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    one = task(tokens="spaces")
    return one.source(one.config).read(DataSource(source="files", file=str(path), **data))


def test_a_label_and_a_text_stand_on_each_line(tmp_path: Path) -> None:
    splits = read(tmp_path, LINES)
    assert [len(splits[name]) for name in splits] == [16, 2, 2]
    first = splits["train"][1]
    assert first["label"] == "good" and first["words"] == ["a", "fine", "film", ",", "no", "1"]
    assert first["place"].endswith("x.txt, line 2")


@pytest.mark.parametrize(
    ("head", "row"),
    [("", "good\ta fine film"), ("sentence\tlabel\n", "a fine film\tgood"),
     ("id\tLabel\tText\n", "7\tgood\ta fine film")],
)  # fmt: skip
def test_columns_of_a_table_are_found_by_their_names(tmp_path: Path, head: str, row: str) -> None:
    splits = read(tmp_path, head + f"{row}\n" * 10, "x.tsv")
    assert {(e["label"], " ".join(e["words"])) for e in splits["train"]} == {
        ("good", "a fine film")
    }


@pytest.mark.parametrize(
    ("text", "name", "said"),
    [
        ("good a film\nbad\n", "x.txt", r"x.txt, line 2: found 'bad', expected a label"),
        ("good\ta\nbad\n", "x.tsv", r"x.tsv, line 2: found 1 of 2 columns"),
        ("text\tkind\na\tb\n", "x.tsv", r"x.tsv, line 1: .*expected a label .*data.column=NAME"),
    ],
)
def test_what_is_no_labelled_text_is_named(tmp_path: Path, text: str, name: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        read(tmp_path, text, name)


def test_bytes_that_are_no_utf8_are_named(tmp_path: Path) -> None:
    path = tmp_path / "x.txt.gz"
    path.write_bytes(gzip.compress("good film\nbad caf\xe9\n".encode("latin-1")))
    one = task()
    with pytest.raises(UserError, match=r"line 2: found byte 0xe9 at column 8"):
        one.source(one.config).read(DataSource(source="files", file=str(path)))


def test_texts_are_cut_into_words_and_signs_or_at_spaces() -> None:
    assert cut("Don't stop, it's 3.5!", "words") == [
        "Don't", "stop", ",", "it's", "3", ".", "5", "!",
    ]  # fmt: skip
    assert cut("do n't  stop", "spaces") == ["do", "n't", "stop"]


def test_texts_become_words_and_a_class_each(tmp_path: Path) -> None:
    splits = read(tmp_path, LINES)
    one = task(words={"size": 6, "min_count": 1}, longest=4)
    encoding = one.encoding.build(splits["train"], one.config)
    encoding.save(tmp_path)
    again = one.encoding.load(tmp_path)
    given = [*splits["test"], {"words": [], "label": None}, {"words": ["new"], "label": "odd"}]
    split = again.encode(given)
    (tmp_path / "split").mkdir()
    split.save(tmp_path / "split")
    batch = one.split.load(tmp_path / "split").batch(range(4))
    assert batch["lengths"].tolist() == [4, 4, 1, 1]
    assert batch["target"].tolist() == [0, 1, -100, 2]
    features, lengths = one.inputs(one.config, again)(batch)
    assert features.shape == (4, 4, 6) and torch.equal(lengths, batch["lengths"])
    assert one.decode(again, torch.tensor([1, 0]), batch) == [["good"], ["bad"]]


def test_the_built_in_texts_are_docstrings_and_their_library() -> None:
    one = task()
    splits = one.source(one.config).read(DataSource())
    rows = [row for part in splits.values() for row in part]
    libraries = {row["label"] for row in rows}
    assert {"python", "numpy", "pandas"} <= libraries
    assert len({tuple(row["words"]) for row in rows}) > 0.98 * len(rows)
    assert one.source(one.config).baseline(splits)["accuracy"] < 0.35

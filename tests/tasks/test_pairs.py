"""Pairs of texts from files, and what is wrong with them."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from seqline_plugins.errors import UserError
from seqline_plugins.task.source import DataSource
from seqline_tasks.data.pairs import read_pairs
from seqline_tasks.translation.config import Config
from seqline_tasks.translation.sources import PairSource


def put(path: Path, text: str) -> str:
    data = text.encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return str(path)


def test_two_files_are_read_side_by_side(tmp_path: Path) -> None:
    given = [put(tmp_path / "a.de", "eins\n zwei \n"), put(tmp_path / "a.en.gz", "one\ntwo\n")]
    assert read_pairs(given, "data.train") == [("eins", "one"), ("zwei", "two")]


def test_one_file_has_a_tab_between_the_two(tmp_path: Path) -> None:
    given = put(tmp_path / "pairs.tsv", "eins\tone\nzwei\ttwo\tmore\n")
    assert read_pairs(given, "data.train") == [("eins", "one"), ("zwei", "two")]


def test_files_of_different_length_are_refused_with_both_counts(tmp_path: Path) -> None:
    given = [put(tmp_path / "a.de", "eins\nzwei\ndrei\n"), put(tmp_path / "a.en", "one\ntwo\n")]
    with pytest.raises(UserError, match=r"a.de has 3 lines and .*a.en has 2"):
        read_pairs(given, "data.train")


def test_one_file_on_both_sides_is_refused(tmp_path: Path) -> None:
    path = put(tmp_path / "a.de", "eins\n")
    (tmp_path / "link.en").symlink_to(path)
    with pytest.raises(UserError, match="both the source and the target"):
        read_pairs([path, str(tmp_path / "link.en")], "data.train")


def test_a_side_without_text_is_refused(tmp_path: Path) -> None:
    given = [put(tmp_path / "a.de", "eins\nzwei\n"), put(tmp_path / "a.en", "\n \n")]
    with pytest.raises(UserError, match=r"data.train=.*every line of the target is empty"):
        read_pairs(given, "data.train")


def test_a_line_without_a_tab_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"pairs.tsv, line 2: found no tab"):
        read_pairs(put(tmp_path / "pairs.tsv", "a\tb\nc\n"), "data.file")


def test_one_file_in_a_list_is_refused(tmp_path: Path) -> None:
    path = put(tmp_path / "a.de", "eins\n")
    with pytest.raises(UserError, match=r"found 1 file, expected two"):
        read_pairs([path], "data.train")


def data_of(folder: Path, **files: str) -> DataSource:
    return DataSource(source="files", **{n: put(folder / f"{n}.tsv", t) for n, t in files.items()})


def test_pairs_with_an_empty_side_are_left_out_and_counted(tmp_path: Path) -> None:
    source = PairSource(Config())
    data = data_of(tmp_path, train="a\tb\n\tc\nd\t\ne\tf\n", test="g\th\n")
    splits = source.read(data)
    assert [*splits["train"], *splits["validation"]] == [
        {"source": "a", "target": "b"},
        {"source": "e", "target": "f"},
    ]
    assert "2 pairs of data.train have an empty side" in source.warnings(splits)[0]


def test_pairs_of_files_are_read_as_they_are_asked_for(tmp_path: Path) -> None:
    lines = "".join(f"a{n}\tb{n}\n" if n % 3 else f"\tb{n}\n" for n in range(90))
    splits = PairSource(Config()).read(data_of(tmp_path, train=lines, test="c\td\n"))
    train, validation = splits["train"], splits["validation"]
    assert not isinstance(train, list) and (len(train), len(validation)) == (54, 6)
    numbers = [int(pair["source"][1:]) for pair in (*train, *validation)]
    assert numbers == [n for n in range(90) if n % 3]
    assert train[2] == {"source": "a4", "target": "b4"} == list(train)[2]
    assert [pair["source"] for pair in train[-2:]] == ["a79", "a80"]


def test_the_direction_can_be_turned_round(tmp_path: Path) -> None:
    data = data_of(tmp_path, train="a\tb\nc\td\n", test="e\tf\n")
    splits = PairSource(Config(reverse=True)).read(data)
    assert list(splits["test"]) == [{"source": "f", "target": "e"}]


def test_copying_the_source_is_the_baseline(tmp_path: Path) -> None:
    source = PairSource(Config())
    same = "these words are in both languages\t" * 2
    splits = source.read(data_of(tmp_path, train="a\tb\nc\td\n", test=same.rstrip("\t") + "\n"))
    assert source.baseline(splits)["bleu"] == pytest.approx(100)


def test_other_content_is_another_fingerprint(tmp_path: Path) -> None:
    source = PairSource(Config())
    before = source.fingerprint(data_of(tmp_path, train="a\tb\n", test="c\td\n"))
    after = source.fingerprint(data_of(tmp_path, train="a\tx\n", test="c\td\n"))
    assert before != after and before["test"] == after["test"]


def test_the_interface_strings_come_once_each() -> None:
    pytest.importorskip("jupyterlab_language_pack_fr_FR")
    splits = PairSource(Config()).read(DataSource())
    pairs = [pair for split in splits.values() for pair in split]
    assert len(pairs) > 3000
    assert len({pair["source"] for pair in pairs}) == len(pairs)
    assert any("noyau" in pair["target"] for pair in pairs if "ernel" in pair["source"])

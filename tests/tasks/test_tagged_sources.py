"""Where tagged sentences come from: files, a hub's folder of parquet; what is warned of."""

from __future__ import annotations

import gzip
import time
from pathlib import Path
from typing import Any

import pytest
from toy_language import conllu, sentences

from seqline_plugins import UserError
from seqline_plugins.task.source import DataSource
from seqline_tasks.pos_tagging.config import Config
from seqline_tasks.pos_tagging.sources import TaggedSource

SOURCE = TaggedSource(Config())


def files(folder: Path, **sizes: int) -> dict[str, str]:
    given = {}
    for seed, (name, count) in enumerate(sizes.items()):
        path = folder / f"{name}.conllu"
        path.write_text(conllu(sentences(count, seed)), encoding="utf-8")
        given[name] = str(path)
    return given


def read(**data: Any) -> dict[str, list]:
    return SOURCE.read(DataSource(**{"source": "files", **data}))


def test_three_files_are_three_splits(tmp_path: Path) -> None:
    splits = read(**files(tmp_path, train=9, validation=4, test=5))
    assert {name: len(rows) for name, rows in splits.items()} == {
        "train": 9,
        "validation": 4,
        "test": 5,
    }
    assert splits["test"] == sentences(5, 2)


def test_a_tenth_of_training_serves_where_there_is_no_validation(tmp_path: Path) -> None:
    splits = read(**files(tmp_path, train=30, test=5))
    assert splits["train"] + splits["validation"] == sentences(30)
    assert len(splits["validation"]) == 3


def test_one_file_is_dealt_as_told(tmp_path: Path) -> None:
    path = files(tmp_path, file=20)["file"]
    assert read(file=path)["test"] == sentences(20)[-2:]
    counts = read(file=path, split=[5, 4, 3], split_by="random", seed=1)
    assert [len(rows) for rows in counts.values()] == [5, 4, 3]


def test_a_glob_and_gz_are_read_as_one(tmp_path: Path) -> None:
    every = sentences(6)
    (tmp_path / "a.conllu").write_text(conllu(every[:2]))
    (tmp_path / "b.conllu.gz").write_bytes(gzip.compress(conllu(every[2:]).encode()))
    given = files(tmp_path, test=3)
    splits = read(train=str(tmp_path / "[ab].conllu*"), **given)
    assert splits["train"] + splits["validation"] == every


def test_a_list_of_files_is_read_as_one(tmp_path: Path) -> None:
    given = files(tmp_path, train=9, more=4, test=3)
    splits = read(train=[given["train"], given["more"]], test=given["test"])
    assert splits["train"] + splits["validation"] == sentences(9) + sentences(4, 1)
    data = DataSource(source="files", train=[given["train"], given["more"]], test=given["test"])
    assert len(SOURCE.fingerprint(data)["train"]) == 2


def test_the_column_is_chosen(tmp_path: Path) -> None:
    given = files(tmp_path, train=9, test=3)
    tags = read(**given, column="xpos")["train"][0]["tags"]
    assert tags == [tag + "2" for tag in sentences(9)[0]["tags"]]
    with pytest.raises(UserError, match=r"data\.column: found 'lemma', expected upos or xpos"):
        read(**given, column="lemma")


def test_missing_keys_and_files_without_sentences_are_refused(tmp_path: Path) -> None:
    given = files(tmp_path, train=9, test=3)
    with pytest.raises(UserError, match=r"data\.test: data=files needs data\.train and data\.test"):
        read(train=given["train"])
    blank = tmp_path / "blank.conllu"
    blank.write_text("# nothing\n\n\n")
    with pytest.raises(UserError, match=r"data\.train=.*blank\.conllu: no sentence was found"):
        read(train=str(blank), test=given["test"])
    untagged = tmp_path / "untagged.conllu"
    untagged.write_text("1\tword" + "\t_" * 8 + "\n\n")
    with pytest.raises(
        UserError, match=r"data\.column: found no upos tag in the test split.*data\.column=xpos"
    ):
        read(train=given["train"], test=str(untagged))
    one = files(tmp_path / ".", one=1)["one"]
    with pytest.raises(UserError, match="one sentence cannot be split"):
        read(train=one, test=given["test"])


def test_a_wrong_line_is_named_with_its_file(tmp_path: Path) -> None:
    path = tmp_path / "wrong.conllu"
    path.write_text(conllu(sentences(2)) + "1\tonly\tthree\n")
    number = len(path.read_text().splitlines())
    with pytest.raises(UserError, match=rf"wrong\.conllu, line {number}: found 3 tab-separated"):
        read(train=str(path), test=str(path))


def test_the_fingerprint_follows_the_bytes_and_the_rule(tmp_path: Path) -> None:
    given = files(tmp_path, train=9, test=3)

    def fingerprint(**more: Any) -> dict[str, Any]:
        return SOURCE.fingerprint(DataSource(**{"source": "files", **given, **more}))

    first = fingerprint()
    assert fingerprint() == first
    assert fingerprint(column="xpos") != first
    assert fingerprint(seed=3) != first
    moved = tmp_path / "moved.conllu"
    moved.write_bytes(Path(given["train"]).read_bytes())
    assert fingerprint(train=str(moved)) == first
    moved.write_text(moved.read_text() + "\n")
    assert fingerprint(train=str(moved)) != first
    with pytest.raises(UserError, match=r"data\.train=.*: there is no such file"):
        fingerprint(train=str(tmp_path / "gone"))


def hub_folder(folder: Path, class_labels: bool, names: dict[str, int], tags: str = "upos") -> Path:
    import datasets

    known = sorted({tag for e in sentences(50) for tag in e["tags"]})
    kind = datasets.ClassLabel(names=known) if class_labels else datasets.Value("string")
    features = datasets.Features(
        {"tokens": datasets.List(datasets.Value("string")), tags: datasets.List(kind)}
    )
    for seed, (name, count) in enumerate(names.items()):
        rows = sentences(count, seed)
        columns = {"tokens": [r["words"] for r in rows], tags: [r["tags"] for r in rows]}
        table = datasets.Dataset.from_dict(columns, features=features)
        folder.mkdir(exist_ok=True)
        table.to_parquet(folder / f"{name}.parquet")
    return folder


@pytest.fixture
def hub_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


@pytest.mark.usefixtures("hub_cache")
def test_without_a_network_the_hub_is_given_up_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    monkeypatch.setattr(datasets.config, "HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", False)
    started = time.monotonic()
    with pytest.raises(UserError, match=r"no network to http://127.* data=builtin \(no download"):
        read(source="hub", repo="owner/name")
    assert time.monotonic() - started < 5


@pytest.mark.usefixtures("hub_cache")
@pytest.mark.parametrize("class_labels", [True, False])
def test_a_folder_of_parquet_is_read_as_the_hub_would_be(
    tmp_path: Path, class_labels: bool
) -> None:
    sizes = {"train": 12, "validation": 3, "test": 4}
    folder = hub_folder(tmp_path / "hub", class_labels, sizes)
    splits = read(source="hub", repo=str(folder))
    assert splits == {
        name: sentences(count, seed) for seed, (name, count) in enumerate(sizes.items())
    }
    fingerprint = SOURCE.fingerprint(DataSource(source="hub", repo=str(folder)))
    assert sorted(fingerprint["files"]) == [f"{name}.parquet" for name in sorted(sizes)]


@pytest.mark.usefixtures("hub_cache")
def test_a_hub_dataset_without_splits_is_dealt(tmp_path: Path) -> None:
    folder = hub_folder(tmp_path / "hub", True, {"train": 20}, tags="pos_tags")
    splits = read(source="hub", repo=str(folder))
    assert [len(rows) for rows in splits.values()] == [16, 2, 2]


@pytest.mark.usefixtures("hub_cache")
def test_a_hub_dataset_without_tags_is_refused_with_its_columns(tmp_path: Path) -> None:
    folder = hub_folder(tmp_path / "hub", False, {"train": 4}, tags="lemmas")
    with pytest.raises(UserError, match="has columns tokens, lemmas, expected one of upos"):
        read(source="hub", repo=str(folder))


@pytest.mark.usefixtures("hub_cache")
def test_an_empty_hub_folder_is_refused_with_the_other_sources(tmp_path: Path) -> None:
    (tmp_path / "hub").mkdir()
    with pytest.raises(UserError, match=r"data\.repo=.*cannot be loaded.*data=files"):
        read(source="hub", repo=str(tmp_path / "hub"))


def test_test_sentences_that_training_has_are_counted() -> None:
    train, test = sentences(40), sentences(10, 1)
    both = [e for e in test if len(e["words"]) > 3]
    warnings = SOURCE.warnings({"train": train + both[:2], "validation": test, "test": test})
    (leak,) = [w for w in warnings if "training data too" in w]
    known = {tuple(e["words"]) for e in [*train, *both[:2]]}
    shared = sum(tuple(e["words"]) in known for e in both)
    assert leak.startswith(f"{shared} of {len(both)} test sentences of four words or more")


def test_one_file_for_training_and_test_is_warned_of(tmp_path: Path) -> None:
    path = files(tmp_path, train=20)["train"]
    splits = read(train=path, test=path)
    assert any("training data too" in warning for warning in SOURCE.warnings(splits))


def test_one_file_of_short_sentences_is_warned_of_too() -> None:
    same = [{"words": [word, "."], "tags": ["X", "X"]} for word in ("yes", "no")]
    (warning,) = SOURCE.warnings({"train": same, "validation": same, "test": same})
    assert warning.startswith("every test sentence is in the training data too")


def test_clean_data_are_not_warned_of() -> None:
    train = [{"words": list("abcd"), "tags": list("WXYZ")}]
    test = [{"words": list("abce"), "tags": list("WXYZ")}]
    assert SOURCE.warnings({"train": train, "validation": test, "test": test}) == []


def test_tags_that_training_never_had_are_counted_and_named() -> None:
    train = [{"words": ["a", "b"], "tags": ["X", None]}]
    test = [{"words": ["a", "b", "c", "d"], "tags": ["X", "NEW", "NEW", None]}]
    (warning,) = SOURCE.warnings({"train": train, "validation": train, "test": test})
    assert warning == "2 test words have a tag that training never had: 'NEW'."


def test_the_built_in_data_are_cantonese_with_untagged_words_kept() -> None:
    pytest.importorskip("pycantonese")
    splits = read(source="builtin")
    total = sum(len(rows) for rows in splits.values())
    assert len(splits["test"]) == round(0.1 * total) > 500
    words = [tag for example in splits["test"] for tag in example["tags"]]
    assert None in words or any(None in e["tags"] for e in splits["train"])

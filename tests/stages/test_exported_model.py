"""An exported folder alone predicts as the evaluation did, whatever it is given."""

from __future__ import annotations

import io
import json
import pickletools
import shutil
import zipfile
from pathlib import Path

import pytest
from toy_language import conllu, sentences

from seqline.exported import Predictor, load_export, predict_file
from seqline_plugins import UserError


@pytest.fixture(scope="module")
def exported(first_run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the exported folder, far from the stages."""
    folder = tmp_path_factory.mktemp("elsewhere") / "tagger"
    shutil.copytree(first_run.run()["export"].folder / "model", folder)
    return folder


@pytest.fixture(scope="module")
def predictor(exported: Path) -> Predictor:
    return load_export(exported)


def test_it_predicts_as_the_evaluation_did_with_all_else_gone(pipeline, tmp_path: Path) -> None:
    results = pipeline.run()
    lines = (results["evaluate"].folder / "predictions.jsonl").read_text().splitlines()
    wanted = [json.loads(line) for line in lines]
    test = (pipeline.data / "test.conllu").read_text()
    shutil.copytree(results["export"].folder, tmp_path / "export")
    shutil.rmtree(pipeline.home.path)
    shutil.rmtree(pipeline.data)

    predictor = load_export(tmp_path / "export")
    text = predictor.predict_text(test.splitlines(), "test")
    tags = [[line.split("\t")[3] for line in block.splitlines() if "\t" in line]
            for block in text.strip().split("\n\n")]  # fmt: skip
    assert tags == wanted
    examples = predictor.task.parse(test.splitlines(), "test")
    assert predictor.predict(examples) == wanted
    assert [predictor.predict([example])[0] for example in examples] == wanted


def test_sentences_that_were_read_together_are_answered_one_by_one(pipeline) -> None:
    results = pipeline.run(task={"passage": 20})
    lines = (results["evaluate"].folder / "predictions.jsonl").read_text().splitlines()
    passages = [json.loads(line) for line in lines]
    test = (pipeline.data / "test.conllu").read_text().splitlines()
    predictor = load_export(results["export"].folder)
    examples = predictor.task.parse(test, "test")
    found = predictor.predict(examples)
    assert [len(tags) for tags in found] == [len(one["words"]) for one in examples]
    read = predictor.task.together(examples)
    assert 1 < len(read) < len(examples)
    assert predictor.task.apart(examples, read, passages) == found  # as the evaluation did

    plain = [" ".join(one["words"]) for one in examples[:3]]
    written = predictor.predict_text([plain[0], "", *plain[1:]], "text").splitlines()
    assert written[1] == ""
    assert [
        [pair.rpartition("/")[2] for pair in line.split()] for line in written if line
    ] == predictor.predict(examples[:3])


def test_comments_and_other_columns_come_back_as_they_were(predictor: Predictor) -> None:
    given = conllu(sentences(3, 9))
    text = predictor.predict_text(given.splitlines(), "place")
    masked = [
        "\t".join(field for n, field in enumerate(line.split("\t")) if n != 3)
        for line in given.splitlines()
    ]
    found = [
        "\t".join(field for n, field in enumerate(line.split("\t")) if n != 3)
        for line in text.splitlines()
    ]
    assert found == masked


def test_nothing_in_the_folder_is_unpickled(exported: Path) -> None:
    files = [path for path in exported.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} == {".json", ".md", ".safetensors"}
    for path in files:
        content = path.read_bytes()
        assert not zipfile.is_zipfile(path)
        with pytest.raises(Exception):  # noqa: B017  (many kinds, none a pickle)
            list(pickletools.genops(content))


def test_the_card_says_data_figures_and_provenance(exported: Path) -> None:
    card = (exported / "README.md").read_text()
    for part in ("# pos_tagging: lstm, many_to_many", "| accuracy (primary) |", "| train | 60 |"):
        assert part in card
    mark = json.loads((exported / "seqline.json").read_text())
    assert {plugin["name"] for plugin in mark["plugins"]} == {
        "pos_tagging",
        "many_to_many",
        "lstm",
    }
    assert all(len(plugin["source_hash"]) == 64 for plugin in mark["plugins"])


@pytest.mark.parametrize(
    "words",
    [
        ["dog"],
        ["the", "dog"] * 5000,
        ["the", "x" * 5000, "sees"],
        ["𝄞😀", "𠜎", "e\u0301", "\u200d", "the"],
    ],
    ids=["one_word", "ten_thousand_words", "a_token_of_5000", "beyond_the_basic_plane"],
)
def test_any_sentence_gets_a_tag_a_word(predictor: Predictor, words: list[str]) -> None:
    (tags,) = predictor.predict_lines([" ".join(words)])
    assert len(tags) == len(words)
    assert set(tags) <= set(predictor.encoding.tags)


def test_a_long_sentence_changes_no_other(predictor: Predictor) -> None:
    short = ["the dog sees .", "", "Anna run"]
    alone = predictor.predict_lines(short)
    assert alone[1] == []
    together = predictor.predict_lines([*short, "the cats " * 600])
    assert together[:3] == alone


def test_plain_text_and_files_come_back_in_the_format_read(
    exported: Path, predictor: Predictor, tmp_path: Path
) -> None:
    (tmp_path / "plain.txt").write_bytes(b"the dog\r\n\r\nAnna\r\n")
    out = io.StringIO()
    predict_file(exported, tmp_path / "plain.txt", out)
    lines = out.getvalue().split("\n")
    assert [[pair.split("/")[0] for pair in line.split()] for line in lines] == [
        ["the", "dog"],
        [],
        ["Anna"],
        [],
    ]


@pytest.mark.parametrize("content", ["", "\n\n", "# a comment"])
def test_text_without_words_is_no_error(predictor: Predictor, content: str) -> None:
    assert isinstance(predictor.predict_text(content.splitlines(), "place"), str)


def test_a_folder_that_is_no_export_is_refused(exported: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no such folder"):
        load_export(tmp_path / "gone")
    with pytest.raises(UserError, match=r"no exported model \(seqline\.json, config\.json, weig"):
        load_export(tmp_path)
    broken = tmp_path / "broken"
    shutil.copytree(exported, broken)
    (broken / "weights.safetensors").unlink()
    with pytest.raises(UserError, match=r"no exported model \(weights\.safetensors missing\)"):
        load_export(broken)


def test_a_file_is_no_export(tmp_path: Path) -> None:
    file = tmp_path / "model.bin"
    file.touch()
    with pytest.raises(UserError, match=r"model\.bin: this is a file; expected the folder"):
        load_export(file)


def damaged(exported: Path, tmp_path: Path, name: str, content: bytes) -> Path:
    folder = tmp_path / "damaged"
    shutil.copytree(exported, folder)
    (folder / name).write_bytes(content)
    return folder


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("seqline.json", b"{", "the export is damaged"),
        ("config.json", b"\xff", "the export is damaged"),
        ("config.json", b"[]", r"the export is damaged \(config.json was altered"),
        ("seqline.json", b"[1]", r"the export is damaged \(seqline.json is no object"),
        ("seqline.json", b'{"format": 99, "seqline": "7.0"}', "of format 99, expected 1; it"),
        ("weights.safetensors", b"short", "the export is damaged"),
        ("encoding/vocabulary.json", b"{]", "the export is damaged"),
    ],
)
def test_a_damaged_export_is_named(
    exported: Path, tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        load_export(damaged(exported, tmp_path, name, content))


def test_the_folder_that_a_stage_left_serves_as_well(first_run) -> None:
    predictor = load_export(first_run.run()["export"].folder)
    assert len(predictor.predict_lines(["the dog"])[0]) == 2


def test_standard_input_that_is_not_utf_8_is_named(
    exported: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = io.TextIOWrapper(io.BytesIO("ok\nzwölf\n".encode("latin-1")))
    monkeypatch.setattr("sys.stdin", given)
    with pytest.raises(UserError, match="standard input, line 2: found byte 0xf6"):
        predict_file(exported, None, io.StringIO())


def test_a_missing_file_to_predict_is_named(exported: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"gone\.txt: there is no such file"):
        predict_file(exported, tmp_path / "gone.txt", io.StringIO())

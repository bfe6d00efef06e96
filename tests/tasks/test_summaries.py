"""Summaries: where they are read from, how they are scored, what they repeat."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path
from typing import Any

import pytest

from seqline_plugins.errors import UserError
from seqline_plugins.options import build_config
from seqline_plugins.task.source import DataSource
from seqline_tasks.data.sentences import split_sentences
from seqline_tasks.summarization import sources
from seqline_tasks.summarization.scoring import best_scores, score_summaries
from seqline_tasks.summarization.sources import SummarySource
from seqline_tasks.text_to_text.scoring import copied_share

SCITLDR = Path(os.environ.get("SEQLINE_DATA", "/nowhere")) / "summarization"


def source_of(**options: Any) -> DataSource:
    made: DataSource = build_config(DataSource, options, "data")
    return made


def read(folder: Path, rows: list[Any], **options: Any) -> dict[str, list[dict[str, Any]]]:
    path = folder / "texts.jsonl.gz"
    lines = "".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows)
    path.write_bytes(gzip.compress(lines.encode()))
    data = source_of(source="files", file=str(path), split=[0.8, 0.1, 0.1], **options)
    return SummarySource(None).read(data)


def test_texts_are_whole_or_lists_of_sentences_and_may_have_several_summaries(
    tmp_path: Path,
) -> None:
    rows: list[Any] = [
        {"source": ["One is first.", " Two  follows. "], "target": ["One", "First"]},
        {"source": "A text. It goes on.", "target": "Text"},
    ] * 5
    found = read(tmp_path, rows)["train"]
    assert found[0] == {
        "source": "One is first. Two follows.",
        "target": "One",
        "references": ["One", "First"],
        "first": "One is first.",
    }
    assert found[1]["first"] == "A text."


def test_texts_without_words_or_summary_are_left_out_and_counted(tmp_path: Path) -> None:
    rows = [{"text": f"text {n}", "short": "t"} for n in range(20)]
    rows += [{"text": "", "short": "t"}, {"text": "more", "short": " "}]
    path = tmp_path / "texts.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    source = SummarySource(None)
    splits = source.read(source_of(source="files", file=str(path), column="text-short"))
    assert sum(map(len, splits.values())) == 20
    assert source.warnings(splits)[0].startswith("2 texts of data.file are empty")


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("{", "line 2: not a line of JSON"),
        ("[]", "line 2: expected an object"),
        ({"sourse": "a", "target": "b"}, "found the keys sourse, target, but no 'source'"),
        ({"source": 3, "target": "b"}, "must be texts, or lists of texts"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, row: Any, said: str) -> None:
    with pytest.raises(UserError, match=said):
        read(tmp_path, [{"source": "a", "target": "b"}, row])


def test_wrong_columns_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"data\.column=text: expected TEXT-SUMMARY"):
        read(tmp_path, [{"text": "a"}], column="text")


def test_the_best_reference_counts_for_each_kind_by_itself() -> None:
    references = ["the cat sat", "dogs run fast today"]
    scores = best_scores("the cats sitting", references)  # stemmed: the cat sit
    assert scores["rouge_1"] == pytest.approx(2 / 3)
    assert scores["rouge_2"] == pytest.approx(1 / 2)
    figures = score_summaries(["the cat sat", "nothing"], [references, references])
    assert figures == {"rouge_1": 50.0, "rouge_2": 50.0, "rouge_l": 50.0}


def test_copied_words_are_those_that_stand_in_the_source_so() -> None:
    source, text = "the small dog sees a cat .", "the small cat sees a cat ."
    assert copied_share([source], [text], 1) == 1.0
    assert copied_share([source], [text], 2) == pytest.approx(4 / 6)
    assert copied_share([source], [text], 4) == pytest.approx(1 / 4)
    assert copied_share([""], [""], 2) == 0.0


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("One. Two! Three?", ["One.", "Two!", "Three?"]),
        ("See Fig. 3 for e.g. this. Then go.", ["See Fig. 3 for e.g. this.", "Then go."]),
        ("He said “No.” Then he left.", ["He said “No.”", "Then he left."]),
        ("Version 3.5 works. J. Smith agrees.", ["Version 3.5 works.", "J. Smith agrees."]),
        ("我好。你呢？", ["我好。", "你呢？"]),
        ("no mark", ["no mark"]),
        ("", [""]),
    ],
)
def test_a_text_is_cut_into_its_sentences(text: str, sentences: list[str]) -> None:
    assert split_sentences(text) == sentences


@pytest.mark.skipif(not SCITLDR.is_dir(), reason="needs SEQLINE_DATA")
def test_the_first_sentence_of_scitldr_scores_what_is_known() -> None:
    from seqline_tasks.summarization.scoring import KINDS

    path = str(SCITLDR / "scitldr-a-test.jsonl.gz")
    source = SummarySource(None)
    splits = source.read(source_of(source="files", train=path, test=path))
    figures = source.baseline(splits)
    assert set(figures) == set(KINDS)
    assert figures["rouge_l"] == pytest.approx(24.98, abs=0.005)


def test_docstrings_give_a_body_and_its_first_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = "It does what it says, and says why it does that, with number {}."
    functions = [
        f'def f{n}():\n    """Do the thing {n}.\n\n    {body.format(n)}\n    Always.\n    """\n'
        for n in range(20)
    ]
    functions += ['def short():\n    """Do it now.\n\n    Yes.\n    """\n', "def none(): pass\n"]
    (tmp_path / "toy_library").mkdir()
    (tmp_path / "toy_library" / "__init__.py").write_text("".join(functions), encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sources, "LIBRARIES", ("toy_library",))
    splits = SummarySource(None).read(source_of(source="builtin"))
    assert [len(rows) for rows in splits.values()] == [16, 2, 2]
    everything = [example for rows in splits.values() for example in rows]
    number = everything[0]["target"].split()[-1][:-1]
    assert everything[0]["target"] == f"Do the thing {number}."
    assert everything[0]["source"] == f"{body.format(number)} Always."
    assert everything[0]["first"] == body.format(number)

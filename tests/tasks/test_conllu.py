"""CoNLL-U as the format says: ranges, empty nodes, comments; wrong lines named by number."""

from __future__ import annotations

import pytest

from seqline_plugins import UserError
from seqline_plugins.task.source import DataSource
from seqline_tasks.data.conllu import read_sentences
from seqline_tasks.pos_tagging import PosTagging

TEXT = """\
# newdoc id = one
# text = Vámonos al mar
1-2\tVámonos\t_\t_\t_\t_\t_\t_\t_\tSpaceAfter=No
1\tVamos\tir\tVERB\tV\tMood=Imp\t0\troot\t_\t_
2\tnos\tnosotros\tPRON\tP\t_\t1\tobj\t_\t_
2.1\tya\tya\tADV\t_\t_\t_\t_\t1:advmod\t_
3\tmar\tmar\t_\tN\t_\t1\tobl\t_\t_

# only a comment

1\t𝄞\t_\tSYM\t_\t_\t0\troot\t_\t_
2\t_\t_\tPUNCT\t_\t_\t1\tpunct\t_\t_"""

EMPTY = "\t_" * 9


def read(text: str, column: str = "upos") -> list[tuple[list[str], list[str | None]]]:
    numbered = enumerate(text.split("\n"), start=1)
    found = read_sentences(numbered, (column,), "place")
    return [(s.words, s.values[column]) for s in found if s.words]


def test_ranges_empty_nodes_and_comments_are_no_words() -> None:
    assert read(TEXT) == [
        (["Vamos", "nos", "mar"], ["VERB", "PRON", None]),
        (["𝄞", "_"], ["SYM", "PUNCT"]),
    ]
    assert read(TEXT, "xpos")[0] == (["Vamos", "nos", "mar"], ["V", "P", "N"])


def test_blank_lines_at_either_end_or_doubled_make_no_sentence() -> None:
    assert read("\n\n" + TEXT.replace("\n\n", "\n\n\n") + "\n\n\n") == read(TEXT)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("1\ta\tb\tNOUN", r"place, line 4: found 4 tab-separated columns, expected 10 \(id, form"),
        ("1 a _ NOUN _ _ _ _ _ _", "place, line 4: found 1 tab-separated column, expected 10"),
        ("1" + "\t_" * 10, "place, line 4: found 11 tab-separated columns"),
        ("x" + EMPTY, "place, line 4: found id 'x', expected a word's number"),
        ("0" + EMPTY, "found id '0'"),
        ("-1" + EMPTY, "found id '-1'"),
        ("1-" + EMPTY, "found id '1-'"),
        ("²" + EMPTY, "found id '²'"),
        ("" + EMPTY, "found id ''"),
    ],
)
def test_a_wrong_line_is_named_by_its_number(line: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        read("# a comment\n1" + EMPTY + "\n\n" + line + "\n")


def test_every_form_of_empty_node_is_passed_over() -> None:
    text = "".join(number + EMPTY + "\n" for number in ("0.1", "0.12", "1", "1.1", "10-11"))
    assert read(text) == [(["_"], [None])]


def render(text: str, tags: list[list[str]], column: str | None = None) -> str:
    task = PosTagging()
    return task.render(task.parse(text.split("\n"), "place"), tags, DataSource(column=column))


def test_prediction_keeps_comments_ranges_empty_nodes_and_other_columns() -> None:
    filled = render(TEXT, [["AUX", "DET", "NOUN"], [], ["X", "Y"]])
    wanted = TEXT + "\n\n"
    for old, new in (("VERB", "AUX"), ("PRON", "DET"), ("mar\t_", "mar\tNOUN")):
        wanted = wanted.replace(old, new)
    assert filled == wanted.replace("SYM", "X").replace("PUNCT", "Y")


def test_prediction_of_xpos_fills_its_column() -> None:
    filled = render(TEXT, [["a", "b", "c"], [], ["d", "e"]], column="xpos")
    words = [line.split("\t") for line in filled.splitlines() if "\t" in line]
    assert [fields[4] for fields in words if fields[0].isdigit()] == list("abcde")
    assert [fields[3] for fields in words if fields[0].isdigit()] == [
        "VERB",
        "PRON",
        "_",
        "SYM",
        "PUNCT",
    ]


def test_what_was_written_reads_back() -> None:
    assert read(render(TEXT, [["A", "B", "C"], [], ["D", "E"]])) == [
        (["Vamos", "nos", "mar"], ["A", "B", "C"]),
        (["𝄞", "_"], ["D", "E"]),
    ]


def test_plain_text_is_a_sentence_a_line() -> None:
    task = PosTagging()
    examples = task.parse(["the dog", "", "# 1 runs"], "place")
    assert [example["words"] for example in examples] == [["the", "dog"], [], ["#", "1", "runs"]]
    text = task.render(examples, [["DET", "NOUN"], [], ["X", "NUM", "VERB"]], DataSource())
    assert text == "the/DET dog/NOUN\n\n#/X 1/NUM runs/VERB\n"

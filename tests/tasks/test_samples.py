"""Samples: tagged sentences with the mistakes marked."""

from __future__ import annotations

from seqline_tasks.pos_tagging.samples import mark_mistakes


def sentence(*words: str) -> dict[str, list]:
    return {"words": list(words), "tags": ["T"] * len(words)}


def test_a_mistake_stands_out_with_the_right_tag_beside_it() -> None:
    example = {"words": ["a", "dog", "hm", "barks", "."], "tags": ["D", "N", None, "V", "P"]}
    (line,) = mark_mistakes([example], [["D", "X", "Y", "V", "P"]])
    assert line == "a/D dog/**X** (not N) hm barks/V ./P"


def test_half_of_the_samples_hold_a_mistake() -> None:
    examples = [sentence(*"abcde") for _ in range(20)]
    predicted = [["T"] * 5 if n % 2 else ["T", "W", "T", "T", "T"] for n in range(20)]
    lines = mark_mistakes(examples, predicted)
    assert [("**" in line) for line in lines].count(True) == 2
    assert len(lines) == 4


def test_without_mistakes_all_samples_are_right_ones() -> None:
    examples = [sentence(*"abcde") for _ in range(9)]
    lines = mark_mistakes(examples, [["T"] * 5] * 9)
    assert len(lines) == 4 and not any("**" in line for line in lines)


def test_short_sentences_serve_where_there_are_no_others() -> None:
    assert mark_mistakes([sentence("a"), sentence()], [["T"], []]) == ["a/T"]


def test_long_words_and_sentences_are_cut_and_controls_written_out() -> None:
    (line,) = mark_mistakes([sentence("x" * 5000, "a\x1b[2J", "\u202eb")], [["T"] * 3])
    assert line == f"{'x' * 39}…/T a\\u001b[2J/T \\u202eb/T"
    (line,) = mark_mistakes([sentence(*("w" * 10000))], [["T"] * 10000])
    assert line == "w/T " * 40 + "…"


def test_sentences_of_a_readable_length_are_preferred() -> None:
    examples = [sentence("a"), sentence(*"abcdef"), sentence(*("w" * 50))]
    lines = mark_mistakes(examples, [["T"] * len(e["words"]) for e in examples])
    assert lines == ["a/T b/T c/T d/T e/T f/T"]

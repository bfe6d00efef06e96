"""Subwords: cut and joined again, the same every time, refused where the text holds too few."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest

from seqline_plugins.errors import UserError
from seqline_tasks.data.subwords import (
    KINDS,
    SPECIAL,
    UNKNOWN,
    SubwordOptions,
    Subwords,
)

LINES = [
    "A man in a blue shirt is standing on a ladder, cleaning a window.",
    "Two men (young, tall) are at the stove; they're preparing food!",
    "Ein Mädchen im rosa Kleid steigt die Treppe zu einem Spielhaus hinauf.",
    'Il dit : « Ça va ? » – 3,5 % de "plus"…',
]


def learn(kind: str, **options: object) -> Subwords:
    given = replace(SubwordOptions(kind=kind), **options)  # type: ignore[arg-type]
    return Subwords.learn(LINES * 3, given, "task.subwords.size")


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_cut_is_joined_again(kind: str) -> None:
    subwords = learn(kind)
    assert subwords.decode(subwords.encode(LINES)) == LINES


@pytest.mark.parametrize("kind", KINDS)
def test_a_stored_vocabulary_cuts_as_before(kind: str) -> None:
    subwords = learn(kind)
    again = Subwords.from_json(subwords.to_json())
    assert again.encode(LINES) == subwords.encode(LINES)
    assert len(again) == len(subwords)


@pytest.mark.parametrize("kind", KINDS)
def test_the_words_for_start_and_end_are_text_where_a_text_has_them(kind: str) -> None:
    subwords = learn(kind)
    numbers = subwords.encode([f"{mark} man {mark}" for mark in SPECIAL])
    special = set(range(len(SPECIAL))) - {UNKNOWN}
    assert all(special.isdisjoint(row) for row in numbers)


@pytest.mark.parametrize("kind", KINDS)
def test_the_unknown_is_cut_too(kind: str) -> None:
    subwords = learn(kind)
    strange = ["😀😀 ☃", "שלום עולם", "x" * 5000, ""]
    numbers = subwords.encode(strange)
    assert UNKNOWN in numbers[0] and UNKNOWN in numbers[1]
    assert numbers[3] == []
    assert all(isinstance(text, str) for text in subwords.decode(numbers))


def test_lower_case_and_forms_of_a_character_are_options() -> None:
    cut = learn("character", lowercase=True, normalize="nfkc")
    assert cut.decode(cut.encode(["Ein MÄDCHEN", "Ma\u0308dchen"])) == ["ein mädchen", "mädchen"]
    kept = learn("character", normalize="none")
    assert UNKNOWN in kept.encode(["a\u0308"])[0]


@pytest.mark.parametrize("kind", KINDS)
def test_more_pieces_than_the_text_holds_are_refused(kind: str) -> None:
    with pytest.raises(UserError, match=r"task.subwords.size: found 5000, .* holds \d+ pieces"):
        learn(kind, size=5000)


@pytest.mark.parametrize("kind", ["bpe", "word"])
def test_a_vocabulary_has_the_size_asked_for(kind: str) -> None:
    assert len(learn(kind, size=62)) == 62


@pytest.mark.parametrize("kind", KINDS)
def test_two_processes_learn_the_same(kind: str) -> None:
    code = (
        "from seqline_tasks.data.subwords import *\n"
        f"print(Subwords.learn({LINES!r}, SubwordOptions(kind={kind!r}), 'k').to_json())"
    )
    runs = [
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        for _ in range(2)
    ]
    assert runs[0].stdout == runs[1].stdout


def test_characters_that_are_no_pieces_share_out_their_scores_alike() -> None:
    lines = ["un chat voit vieux", "un chat aime vieux", "un chien voit vieux"] * 2
    options = SubwordOptions(kind="unigram")
    found = {Subwords.learn(lines, options, "task.subwords.size").to_json() for _ in range(12)}
    assert len(found) == 1

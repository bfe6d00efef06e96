"""CoNLL-U: sentences of words in ten tab-separated columns (universaldependencies.org/format).

Multiword ranges (`1-2`) and empty nodes (`8.1`) are no words and are passed over. Read here
rather than by a library, since a wrong line must be named by its number.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from seqline_plugins.errors import UserError

COLUMNS = ("id", "form", "lemma", "upos", "xpos", "feats", "head", "deprel", "deps", "misc")
EMPTY = "_"
_ID = re.compile(r"[1-9][0-9]*|[1-9][0-9]*-[1-9][0-9]*|[0-9]+\.[1-9][0-9]*")


@dataclass(frozen=True)
class Sentence:
    """The words of a sentence, each asked column's values (None where empty), its lines."""

    words: list[str]
    values: dict[str, list[str | None]]
    lines: list[str]


def read_sentences(
    lines: Iterable[tuple[int, str]], columns: Sequence[str], place: str
) -> Iterator[Sentence]:
    """Yield the sentences of numbered lines with the values of some columns.

    A block of comments alone is a sentence without words.
    Raises `UserError` naming `place` and the line for a line that is no CoNLL-U.
    """
    indices = {column: COLUMNS.index(column) for column in columns}
    words: list[str] = []
    rows: list[list[str]] = []
    raw: list[str] = []

    def sentence() -> Sentence:
        values = {
            column: [None if row[index] in (EMPTY, "") else row[index] for row in rows]
            for column, index in indices.items()
        }
        return Sentence(words, values, raw)

    for number, line in lines:
        if not line.strip():
            if raw:
                yield sentence()
            words, rows, raw = [], [], []
            continue
        raw.append(line)
        if line.startswith("#"):
            continue
        fields = line.split("\t")
        if len(fields) != len(COLUMNS):
            columns_found = f"{len(fields)} tab-separated column{'s' if len(fields) > 1 else ''}"
            raise UserError(
                f"{place}, line {number}: found {columns_found}, expected "
                f"{len(COLUMNS)} ({', '.join(COLUMNS)}): {line[:60]!r}"
            )
        if not _ID.fullmatch(fields[0]):
            raise UserError(
                f"{place}, line {number}: found id {fields[0][:20]!r}, expected a word's number, "
                "a range such as 1-2 or an empty node such as 8.1"
            )
        if fields[0].isdigit():
            words.append(fields[1])
            rows.append(fields)
    if raw:
        yield sentence()


def fill_column(lines: Iterable[str], column: str, values: Iterable[str]) -> str:
    """Return a sentence's lines with one column of its words filled, all else as it was."""
    index = COLUMNS.index(column)
    given, filled = iter(values), []
    for line in lines:
        fields = line.split("\t")
        if not line.startswith("#") and fields[0].isdigit():
            fields[index] = next(given)
        filled.append("\t".join(fields))
    return "\n".join(filled) + "\n"

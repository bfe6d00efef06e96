"""Sentences that follow each other, read as one passage: each sees its neighbours' words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from seqline_plugins.task.source import Example

BREAK = "\n"
"""The word between two sentences of a passage, which no text has. It is read and not scored."""


def join(sentences: Sequence[Example], most: int) -> list[Example]:
    """Return passages of sentences in a row, of at most `most` words with their breaks.

    A longer sentence is a passage by itself; one without words is in none.
    """
    passages: list[list[Example]] = []
    size = 0
    for sentence in sentences:
        words = len(sentence["words"])
        if not words:
            continue
        if passages and size + 1 + words <= most:
            passages[-1].append(sentence)
            size += 1 + words
        else:
            passages.append([sentence])
            size = words
    return [_joined(parts) for parts in passages]


def _joined(parts: Sequence[Example]) -> Example:
    passage = {
        "words": _with_breaks([part["words"] for part in parts], BREAK),
        "tags": _with_breaks([part["tags"] for part in parts], None),
    }
    if "auxiliary" not in parts[0]:
        return passage
    columns = {
        column: _with_breaks([part["auxiliary"][column] for part in parts], None)
        for column in parts[0]["auxiliary"]
    }
    return {**passage, "auxiliary": columns}


def _with_breaks(parts: Sequence[Sequence[Any]], between: Any) -> list[Any]:
    found = list(parts[0])
    for part in parts[1:]:
        found += [between, *part]
    return found


def sentences_of(
    passages: Sequence[Example], values: Sequence[Sequence[Any]]
) -> Iterator[tuple[Example, list[Any]]]:
    """Yield each sentence of passages, as words and tags, with its part of the values."""
    for passage, own in zip(passages, values, strict=True):
        start = 0
        words = [*passage["words"], BREAK]
        for stop, word in enumerate(words):
            if word == BREAK:
                cut = slice(start, stop)
                sentence = {"words": words[cut], "tags": passage["tags"][cut]}
                yield sentence, list(own[cut])
                start = stop + 1


def deal_out(
    sentences: Sequence[Example], passages: Sequence[Example], values: Sequence[Sequence[Any]]
) -> list[list[Any]]:
    """Return what each sentence has of the values of the passages that `join` made of them."""
    found = (value for _, own in sentences_of(passages, values) for value in own)
    return [list(islice(found, len(sentence["words"]))) for sentence in sentences]

"""A text cut into its sentences, by their marks alone."""

from __future__ import annotations

import re

_END = re.compile(r"(?<=[.!?…])[\"'”’)\]]*\s+(?=[\"'“‘(\[¿¡]*[^\W_a-z])|(?<=[。！？])")
_ABBREVIATION = re.compile(
    r"(?:\b[A-Za-z]|\b(?:e\.g|i\.e|et al|cf|vs|etc|Dr|Mr|Mrs|Ms|Prof|Fig|Eq|Sec|bzw|z\.B))\.$"
)


def split_sentences(text: str) -> list[str]:
    """Return the sentences of a text, in order; all of the text is in one of them.

    A sentence ends with a mark, a space and no small letter after it; initials and a few
    abbreviations end none.
    """
    found: list[str] = []
    start = 0
    for end in _END.finditer(text):
        part = text[start : end.end()].strip()
        if part and not _ABBREVIATION.search(text[start : end.start()]):
            found.append(part)
            start = end.end()
    rest = text[start:].strip()
    return [*found, rest] if rest or not found else found

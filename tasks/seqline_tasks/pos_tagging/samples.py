"""Tagged sentences as a person wants to see them."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from seqline_plugins.task.source import Example

SHORTEST, LONGEST = 5, 14
MOST_WORDS, MOST_LETTERS = 40, 40
"""What a person reads of a sentence, and of a word; the rest is left out, with a mark."""

BIDIRECTIONAL = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def mark_mistakes(
    examples: Sequence[Example], predicted: Sequence[Sequence[str]], count: int = 4
) -> list[str]:
    """Return `count` sentences as "word/TAG"; a mistake as "word/**TAG** (not GOLD)".

    Half of them hold a mistake, where there are that many.
    """
    fitting = [
        index
        for index, example in enumerate(examples)
        if SHORTEST <= len(example["words"]) <= LONGEST
    ] or [index for index, example in enumerate(examples) if example["words"]]
    wrong = [index for index in fitting if _mistakes(examples[index], predicted[index])]
    right = [index for index in fitting if index not in set(wrong)]
    chosen = _spread(wrong, count // 2)
    chosen += _spread(right, count - len(chosen))
    return [_line(examples[index], predicted[index]) for index in sorted(chosen)]


def _spread(indices: list[int], count: int) -> list[int]:
    step = max(1, len(indices) // max(1, count))
    return indices[::step][:count]


def _mistakes(example: Example, tags: Sequence[str]) -> int:
    pairs = zip(example["tags"], tags, strict=True)
    return sum(gold is not None and gold != tag for gold, tag in pairs)


def _line(example: Example, tags: Sequence[str]) -> str:
    parts = []
    rows = list(zip(example["words"], example["tags"], tags, strict=True))
    for given, gold, tag in rows[:MOST_WORDS]:
        word = _readable(given)
        if gold is None:
            parts.append(word)
        elif gold == tag:
            parts.append(f"{word}/{tag}")
        else:
            parts.append(f"{word}/**{tag}** (not {gold})")
    return " ".join([*parts, "…"] if len(rows) > MOST_WORDS else parts)


def _readable(word: str) -> str:
    """Return a word cut to a readable length, what steers a terminal written out."""
    cut = word if len(word) <= MOST_LETTERS else word[: MOST_LETTERS - 1] + "…"
    return "".join(
        f"\\u{ord(char):04x}"
        if unicodedata.category(char) == "Cc" or char in BIDIRECTIONAL
        else char
        for char in cut
    )

"""A tiny tagged language: sentences drawn from a small grammar, as examples and as CoNLL-U."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

WORDS = {
    "DET": ["the", "a", "every", "this"],
    "ADJ": ["big", "small", "Red", "old", "light", "cold"],
    "NOUN": ["dog", "cats", "run", "walk", "Anna", "house", "light", "cold"],
    "VERB": ["sees", "chased", "run", "walk", "likes", "light"],
    "ADV": ["quickly", "slowly", "here", "often"],
    "PUNCT": [".", "!", "?"],
}
PATTERNS = (
    ("DET", "NOUN", "VERB", "PUNCT"),
    ("DET", "ADJ", "NOUN", "VERB", "ADV", "PUNCT"),
    ("NOUN", "VERB", "DET", "NOUN", "PUNCT"),
    ("DET", "NOUN", "VERB", "DET", "ADJ", "NOUN", "ADV", "PUNCT"),
    ("VERB", "PUNCT"),
    ("NOUN",),
)

Example = dict[str, Any]


def sentences(count: int, seed: int = 0) -> list[Example]:
    """Return sentences as {"words": […], "tags": […]}, the same for the same seed."""
    draw = random.Random(seed)
    made = []
    for number in range(count):
        tags = list(draw.choice(PATTERNS))
        words = [draw.choice(WORDS[tag]) for tag in tags]
        if tags[0] == "NOUN":
            words[0] += str(number)  # a word of its own, unseen anywhere else
        made.append({"words": words, "tags": tags})
    return made


def conllu(examples: list[Example]) -> str:
    """Return sentences as CoNLL-U with comments."""
    parts = []
    for number, example in enumerate(examples, start=1):
        lines = [f"# sent_id = {number}", f"# text = {' '.join(example['words'])}"]
        for place, (word, tag) in enumerate(zip(*example.values(), strict=True), start=1):
            lines.append(f"{place}\t{word}\t_\t{tag or '_'}\t{tag or '_'}2\t_\t_\t_\t_\t_")
        parts.append("\n".join(lines) + "\n\n")
    return "".join(parts)


def write_splits(folder: Path, train: int = 60, others: int = 20) -> list[str]:
    """Write train, validation and test files; return the overrides that choose them."""
    overrides = ["data=files"]
    sizes = {"train": train, "validation": others, "test": others}
    for seed, (name, count) in enumerate(sizes.items()):
        path = folder / f"{name}.conllu"
        path.write_text(conllu(sentences(count, seed)), encoding="utf-8")
        overrides.append(f"data.{name}={path}")
    return overrides

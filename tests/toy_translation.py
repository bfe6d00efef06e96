"""A tiny language and its translation: word for word, the adjective after the noun."""

from __future__ import annotations

import random
from pathlib import Path

WORDS = {
    "the": "le",
    "a": "un",
    "dog": "chien",
    "cat": "chat",
    "bird": "oiseau",
    "sees": "voit",
    "likes": "aime",
    "small": "petit",
    "black": "noir",
    "old": "vieux",
}
NOUNS, VERBS = ("dog", "cat", "bird"), ("sees", "likes")
ADJECTIVES, ARTICLES = ("small", "black", "old"), ("the", "a")


def pairs(count: int, seed: int = 0) -> list[tuple[str, str]]:
    """Return sentences with their translations, the same for the same seed."""
    draw = random.Random(seed)
    made = []
    for _ in range(count):
        source, target = [], []
        for part in range(2):
            article, noun = draw.choice(ARTICLES), draw.choice(NOUNS)
            others = [draw.choice(ADJECTIVES)] if draw.random() < 0.5 else []
            source += [article, *others, noun]
            target += [article, noun, *others]
            if part == 0:
                verb = draw.choice(VERBS)
                source.append(verb)
                target.append(verb)
        made.append((" ".join(source) + ".", " ".join(WORDS[w] for w in target) + "."))
    return made


def write_pairs(folder: Path, train: int = 300, others: int = 20) -> list[str]:
    """Write train, validation and test, two files each; return the overrides that choose them."""
    overrides = ["data=files"]
    for seed, name in enumerate(("train", "validation", "test")):
        made = pairs(train if name == "train" else others, seed)
        for side, language in enumerate(("en", "fr")):
            lines = "".join(f"{pair[side]}\n" for pair in made)
            (folder / f"{name}.{language}").write_text(lines, encoding="utf-8")
        overrides.append(f"data.{name}=[{folder / f'{name}.en'},{folder / f'{name}.fr'}]")
    return overrides

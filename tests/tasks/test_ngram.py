"""Kneser–Ney against the formula written out, and against what must hold."""

from __future__ import annotations

import math
import random
from collections import Counter

import numpy as np
import pytest

from seqline_tasks.language_model.ngram import KneserNey, trivial_models

SIZE = 4


def drawn(count: int, seed: int = 0) -> list[int]:
    draw = random.Random(seed)
    text = [0, 1]
    while len(text) < count:
        text.append((text[-1] + text[-2] + (draw.random() < 0.3)) % (SIZE - 1))
    return text


def written_out(text: list[int], gram: tuple[int, ...], order: int) -> float:
    """p(last | the others), by dictionaries."""
    counts = {order: Counter(zip(*(text[n:] for n in range(order)), strict=False))}
    for shorter in range(order - 1, 0, -1):
        counts[shorter] = Counter(longer[1:] for longer in counts[shorter + 1])
    p = 1 / SIZE
    for n in range(1, order + 1):
        own, table = gram[len(gram) - n :], counts[n]
        once, twice = (sum(1 for c in table.values() if c == k) for k in (1, 2))
        discount = once / (once + 2 * twice) if once and twice else 0.5
        following = {g: c for g, c in table.items() if g[:-1] == own[:-1]}
        total = sum(following.values())
        if total:
            share = max(table[own] - discount, 0) / total
            p = share + discount * len(following) / total * p
    return p


@pytest.mark.parametrize("order", [1, 2, 3, 5])
def test_it_is_the_formula_written_out(order: int) -> None:
    text = drawn(200)
    model = KneserNey(np.array(text), SIZE, order)
    draw = random.Random(1)
    grams = [tuple(draw.randrange(SIZE) for _ in range(order)) for _ in range(40)]
    keys = [sum(n * SIZE**place for place, n in enumerate(reversed(gram))) for gram in grams]
    found = model.probabilities(np.array(keys))
    assert found == pytest.approx([written_out(text, gram, order) for gram in grams], abs=1e-12)


def test_the_chances_of_all_that_may_follow_add_to_one() -> None:
    model = KneserNey(np.array(drawn(300)), SIZE)
    for context in range(0, SIZE**4, 7):
        keys = np.arange(SIZE) + context * SIZE
        assert model.probabilities(keys).sum() == pytest.approx(1, abs=1e-12)


def test_trivial_models_of_a_text() -> None:
    train, test = [{"text": "abcabcabd" * 50}], [{"text": "abcabdabc" * 5}]
    found = trivial_models(train, test)
    assert found["five_gram_bits_per_character"] < 0.6 < found["bits_per_character"]
    assert found["accuracy"] == pytest.approx(1 / 3)
    share = Counter("abcabcabd")
    exact = -sum(
        math.log2((share[c] * 50 + 1) / (450 + 5)) * n for c, n in Counter("abcabdabc").items()
    )
    assert found["bits_per_character"] == pytest.approx(exact / 9)


def test_a_test_text_of_strangers_is_told_all_the_same() -> None:
    found = trivial_models([{"text": "ab" * 30}], [{"text": "ЖЖЖЖЖЖЖ"}])
    assert math.isfinite(found["five_gram_bits_per_character"])

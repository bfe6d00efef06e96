"""What a language model must beat: counts of single characters, and of five in a row.

The five-gram model is interpolated Kneser–Ney (Ney, Essen & Kneser 1994; Chen & Goodman 1999,
equation 24), one discount an order, D = n₁ / (n₁ + 2 n₂):

    p(w | c) = max(N(c w) − D, 0) / N(c) + D T(c) / N(c) · p(w | c without its first character)

N are counts in the highest order, and below it of how many different characters stand before;
T(c) is how many different ones follow c. Below the first order all V characters are alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
import numpy.typing as npt

from seqline_plugins.task.source import Example
from seqline_tasks.language_model.encoding import codes_of

ORDER = 5
COUNTED, TRIED = 40, 8
"""Blocks of the training text, its last ones, that are counted, and of the test text, its first."""
MOST = 4096
"""Characters told apart, the rarer ones are alike: five numbers fit in 63 bits."""

Keys = npt.NDArray[np.int64]
Shares = npt.NDArray[np.float64]


def trivial_models(train: Sequence[Example], test: Sequence[Example]) -> dict[str, float]:
    """Return bits per character on the test text, and the accuracy of the commonest character.

    `bits_per_character` is that of single characters, `five_gram_bits_per_character` that of five
    in a row. What is counted is bounded, see `COUNTED` and `TRIED`.
    """
    counted = _codes(train[max(0, len(train) - COUNTED) :])
    tried = _codes(islice(test, TRIED))
    kinds, counts = np.unique(counted, return_counts=True)
    kept = np.sort(kinds[np.argsort(-counts, kind="stable")[:MOST]])
    text, target = _numbers(counted, kept), _numbers(tried, kept)
    size = len(kept) + 1  # and one for all others
    single = np.bincount(text, minlength=size) + 1.0
    chance = single / single.sum()
    return {
        "bits_per_character": float(-np.log2(chance[target]).mean()),
        "five_gram_bits_per_character": KneserNey(text, size).bits_per_character(target),
        "accuracy": float((target == single.argmax()).mean()),
    }


def _codes(examples: Iterable[Example]) -> Keys:
    parts = [codes_of(example["text"]).astype(np.int64) for example in examples]
    return np.concatenate([np.zeros(0, dtype=np.int64), *parts])


def _numbers(codes: Keys, kept: Keys) -> Keys:
    """Return each code's place among those kept, one past them for all others."""
    place = np.minimum(np.searchsorted(kept, codes), len(kept) - 1)
    return np.where(kept[place] == codes, place, len(kept))


@dataclass(frozen=True)
class _Order:
    """Counts of one order, sorted: grams and, by their context, totals and kinds that follow."""

    grams: Keys
    counts: Keys
    contexts: Keys
    totals: Keys
    kinds: Keys
    discount: float


class KneserNey:
    """An n-gram model of numbers below `size`, counted in one text."""

    def __init__(self, text: Keys, size: int, order: int = ORDER) -> None:
        self.size, self.order = size, order
        grams, counts = np.unique(_grams(text, size, order), return_counts=True)
        self._orders: list[_Order] = []
        for number in range(order, 0, -1):
            self._orders.append(_order(grams, counts, size))
            shorter = grams % size ** (number - 1)
            grams, counts = np.unique(shorter, return_counts=True)

    def bits_per_character(self, text: Keys) -> float:
        """Return −log₂ p of the numbers of a text, on average; the first few have no context."""
        grams = _grams(text, self.size, self.order)
        return float(-np.log2(self.probabilities(grams)).mean()) if len(grams) else float("nan")

    def probabilities(self, grams: Keys) -> Shares:
        """Return p of each gram's last number after the others."""
        p = np.full(len(grams), 1 / self.size)
        for number, order in zip(range(1, self.order + 1), reversed(self._orders), strict=True):
            own = grams % self.size**number
            seen, at = _found(order.contexts, own // self.size)
            there, place = _found(order.grams, own)
            count = np.where(there, order.counts[place], 0)
            total = order.totals[at].astype(np.float64)
            share = np.maximum(count - order.discount, 0) / total
            left = order.discount * order.kinds[at] / total
            p = np.where(seen, share + left * p, p)
        return p


def _order(grams: Keys, counts: Keys, size: int) -> _Order:
    contexts, first, kinds = np.unique(grams // size, return_index=True, return_counts=True)
    totals = np.add.reduceat(counts, first) if len(first) else counts
    once, twice = int((counts == 1).sum()), int((counts == 2).sum())
    discount = once / (once + 2 * twice) if once and twice else 0.5
    return _Order(grams, counts, contexts, totals, kinds, discount)


def _grams(text: Keys, size: int, order: int) -> Keys:
    """Return every `order` numbers in a row as one number."""
    count = max(0, len(text) - order + 1)
    key = np.zeros(count, dtype=np.int64)
    for place in range(order):
        key = key * size + text[place : place + count]
    return key


def _found(known: Keys, wanted: Keys) -> tuple[npt.NDArray[np.bool_], Keys]:
    place = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
    return known[place] == wanted, place

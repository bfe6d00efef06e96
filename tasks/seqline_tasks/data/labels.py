"""Classes of sequences: their names in numbers, what is wrong with them, the trivial classifier."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from seqline_plugins.errors import UserError
from seqline_plugins.task import Example
from seqline_tasks.heads.softmax import UNSCORED


def classes_of(examples: Iterable[Example]) -> list[str]:
    """Return the names of the classes, sorted.

    Raises `UserError` for fewer than two, and for one that a single training example has: nothing
    can be learned of it, and most often it is a mistyped label. The example's `place` is named.
    """
    counts: Counter[str] = Counter()
    places: dict[str, str] = {}
    for example in examples:
        counts[example["label"]] += 1
        places[example["label"]] = str(example.get("place", ""))
    once = [name for name, count in counts.items() if count == 1]
    if once:
        name = once[0]
        place = f"{places[name]}: " if places[name] else ""
        others = ", ".join(f"'{known}' ({count:,})" for known, count in counts.most_common(8))
        raise UserError(
            f"{place}the class '{name}' stands once in the training data, expected every class at "
            f"least twice. Classes: {others}."
        )
    if len(counts) < 2:
        raise UserError(f"the training data have one class, '{next(iter(counts), '')}'.")
    return sorted(counts)


def numbers_of(examples: Sequence[Example], classes: Sequence[str]) -> list[int]:
    """Return each example's class in numbers, UNSCORED without one, past the last if unknown."""
    known = {name: number for number, name in enumerate(classes)}
    return [
        UNSCORED if (label := example.get("label")) is None else known.get(label, len(classes))
        for example in examples
    ]


def most_frequent_class(train: Iterable[Example], test: Sequence[Example]) -> float:
    """Return the accuracy of always answering the most frequent class of training."""
    (usual, _), *_ = Counter(example["label"] for example in train).most_common(1)
    return sum(example["label"] == usual for example in test) / max(1, len(test))

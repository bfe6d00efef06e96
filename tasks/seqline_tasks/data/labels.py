"""Classes of sequences: their names in numbers, what is wrong with them, the trivial classifier."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from seqline_plugins.errors import UserError
from seqline_plugins.task.source import Example
from seqline_tasks.data.split import SPLITS, deal, hold_out
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


def deal_classes(
    rows: Sequence[Example], split: Sequence[Any], by: str, seed: int
) -> dict[str, list[Example]]:
    """Deal the rows of each class by itself, so that each split has all of them.

    Raises `UserError` for a class with too few rows, naming the place of the first.
    """
    if any(isinstance(share, int) and share > 1 for share in split):
        raise UserError(f"data.split: found {list(split)}, expected shares: each class is dealt.")
    dealt: dict[str, list[Example]] = {name: [] for name in SPLITS}
    for label, own in _by_class(rows).items():
        if len(own) < 3:
            often = {1: "once", 2: "twice"}[len(own)]
            raise UserError(
                f"{own[0]['place']}: the class '{label}' stands {often}, expected it at least "
                "three times: for training, validation and test."
            )
        for name, part in deal(own, split, by, seed).items():
            dealt[name] += part
    return dealt


def hold_out_of_classes(
    splits: Mapping[str, Sequence[Example]], what: str
) -> dict[str, Sequence[Example]]:
    """Return the three splits; the last tenth of each class is validation where there is none.

    For rows that stand class by class, where the last tenth of all would be of one class. Raises
    `UserError` where training has one `what` (a clip) of a class alone.
    """
    if "validation" in splits:
        return {name: splits[name] for name in SPLITS}
    parts = [
        hold_out({"train": own, "test": []}, what) for own in _by_class(splits["train"]).values()
    ]
    held = {name: [row for part in parts for row in part[name]] for name in ("train", "validation")}
    return {**held, "test": splits["test"]}


def new_classes(splits: Mapping[str, Sequence[Example]]) -> list[str]:
    """Return what a person should know of classes in the test that training never had."""
    known = {example["label"] for example in splits["train"]}
    new = sorted({example["label"] for example in splits["test"]} - known)
    listed = ", ".join(new[:10])
    return [f"the test data have classes that training never had: {listed}."] if new else []


def _by_class(rows: Iterable[Example]) -> dict[str, list[Example]]:
    classes: dict[str, list[Example]] = defaultdict(list)
    for row in rows:
        classes[row["label"]].append(row)
    return dict(classes)

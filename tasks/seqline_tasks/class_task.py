"""What the tasks share that name one class for each sequence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from seqline_plugins.architecture import Kind
from seqline_plugins.task.metrics import Metric
from seqline_plugins.task.source import Example
from seqline_plugins.task.split import Batch
from seqline_plugins.task.task import Task
from seqline_tasks.class_scores import ClassMetrics
from seqline_tasks.heads.classes import ClassHead


class ClassTask(Task):
    """One class a row: a sequence goes in, the name of its class comes out.

    A task over it names its source, encoding and inputs, and reads and writes its examples'
    sequences (`parse`, `text_of`), where they are no JSON; the class of an example is its `label`.
    """

    kinds = (Kind("sequence", "entity"),)
    metrics = (Metric("accuracy"), Metric("f1"))
    primary = "accuracy"
    head = ClassHead
    scoring = ClassMetrics

    def decode(self, encoding: Any, predicted: Tensor, batch: Batch) -> list[list[str]]:
        """Return the name of one class a row."""
        return [[encoding.classes[number]] for number in predicted.tolist()]

    def samples(self, examples: Sequence[Example], predicted: Sequence[Sequence[str]]) -> list[str]:
        """Return a few rows, half of them mistakes, marked."""
        return mark_classes([self.text_of(example) for example in examples], examples, predicted)


MOST = 300
"""Letters shown of a row."""


def mark_classes(
    texts: Sequence[str],
    examples: Sequence[Example],
    predicted: Sequence[Sequence[str]],
    count: int = 6,
) -> list[str]:
    """Return `count` rows as "class: text", a mistake as "**class** (not GOLD): text"."""
    answers = [answer[0] if answer else "" for answer in predicted]
    golds = [example.get("label") for example in examples]
    wrong = [n for n, gold in enumerate(golds) if gold is not None and gold != answers[n]]
    missed = set(wrong)
    right = [n for n in range(len(golds)) if n not in missed]
    chosen = _spread(wrong, count // 2)
    chosen += _spread(right, count - len(chosen))
    shown = []
    for number in sorted(chosen):
        said = f"**{answers[number]}** (not {golds[number]})" if number in missed else None
        text = texts[number]
        cut = text if len(text) <= MOST else text[: MOST - 1] + "…"
        shown.append(f"{said or answers[number]}: {cut}")
    return shown


def _spread(numbers: list[int], count: int) -> list[int]:
    return numbers[:: max(1, len(numbers) // max(1, count))][:count]

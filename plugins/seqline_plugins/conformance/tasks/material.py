"""What a task makes of its built-in data, to be checked.

A perfect prediction is had without knowing what the task is: hidden features themselves are
moved until the head's loss is small, and what the head then predicts is the truth.
Letters: B batch, T time, I features per step, H hidden features.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from seqline_plugins.conformance.subject import TaskSubject, fill_slots
from seqline_plugins.sources import DataSource
from seqline_plugins.task import Batch, EncodedSplit, Encoding, Example, Head, Inputs, Metric, Task

LEARNED, ROWS, HIDDEN = 400, 8, 16
"""Training examples that the encoding is built from, examples of a batch, hidden features."""
LOSS: Mapping[str, Any] = {"label_smoothing": 0.0}


class Material:
    """What a task makes of its built-in data, each part when it is first asked for."""

    def __init__(self, subject: TaskSubject) -> None:
        config = subject.configured()
        fill_slots(config, {"name": "gru"})
        self.task: Task = subject.plugin(config)
        self.config = config
        self.source = self.task.source(config)
        self.data = DataSource()

    @property
    def primary(self) -> Metric:
        """The metric that chooses between models."""
        return next(one for one in self.task.metrics if one.name == self.task.primary)

    @cached_property
    def splits(self) -> dict[str, Sequence[Example]]:
        """The raw examples."""
        return dict(self.source.read(self.data))

    @cached_property
    def encoding(self) -> Encoding:
        """Built from some of the training examples."""
        return self.task.encoding.build(list(self.splits["train"][:LEARNED]), self.config)

    @cached_property
    def examples(self) -> list[Example]:
        """Some training examples, one short and one long among them."""
        learned = list(self.splits["train"][:LEARNED])
        lengths = list(self.encoding.encode(learned).lengths)
        order = sorted(range(len(learned)), key=lambda row: int(lengths[row]))
        order = [row for row in order if int(lengths[row]) > 1] or order
        step = max(1, len(order) // (2 * ROWS))
        return [learned[row] for row in order[: step * ROWS : step]]

    @cached_property
    def split(self) -> EncodedSplit:
        """The examples in numbers."""
        return self.encoding.encode(self.examples)

    @cached_property
    def batch(self) -> Batch:
        """All of them as one batch."""
        return self.split.batch(range(len(self.examples)))

    @cached_property
    def inputs(self) -> Inputs:
        """The trainable start, evaluating."""
        torch.manual_seed(0)
        return self.task.inputs(self.config, self.encoding, "reference").eval()

    @cached_property
    def head(self) -> Head:
        """The trainable end, evaluating."""
        torch.manual_seed(0)
        head = self.task.head(self.config, self.encoding, HIDDEN, LOSS).eval()
        head.tie(self.inputs)
        return head

    def hidden(self, batch: Batch, seed: int = 0) -> Tensor:
        """Return random hidden features as an architecture would give for a batch."""
        output = self.task.kinds[0].output
        features, _ = self.inputs.targets(batch) if output == "sequence" else self.inputs(batch)
        draw = torch.Generator().manual_seed(seed)
        shape = (len(features), HIDDEN)
        if output != "entity":
            shape = (len(features), features.shape[1], HIDDEN)  # type: ignore[assignment]
        return torch.randn(shape, generator=draw)

    @cached_property
    def perfect(self) -> Tensor:
        """Hidden features from which the head predicts the truth, as near as it can."""
        hidden = self.hidden(self.batch).requires_grad_()
        rule = torch.optim.Adam([hidden], lr=0.3)
        for _ in range(150):
            rule.zero_grad()
            summed, count = self.head.loss(hidden, self.batch)
            (summed / count.clamp(min=1)).backward()
            rule.step()
        return hidden.detach()

    def figures(self, hidden: Tensor) -> dict[str, float]:
        """Return what the task's metrics say of what the head predicts from hidden features."""
        scoring = self.task.scoring(self.config, self.encoding)
        with torch.no_grad():
            predicted = self.head.predict(hidden)
            summed, count = self.head.loss(hidden, self.batch)
        scoring.update(predicted, self.batch, self.examples)
        scoring.add_loss(float(summed), int(count))
        return scoring.compute()


def material(subject: TaskSubject) -> Material:
    """Return a subject's material, read once."""
    found: Material | None = getattr(subject, "material", None)
    if found is None:
        found = subject.material = Material(subject)  # type: ignore[attr-defined]
    return found

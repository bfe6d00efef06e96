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
from seqline_plugins.task.encoding import Encoding
from seqline_plugins.task.head import Head
from seqline_plugins.task.inputs import Inputs
from seqline_plugins.task.metrics import Metric
from seqline_plugins.task.source import DataSource, Example
from seqline_plugins.task.split import Batch, EncodedSplit
from seqline_plugins.task.task import Task

CHOSEN, ROWS, STEPS, HIDDEN = 400, 8, 32, 64
"""Training examples that some are chosen from, rows of a batch, steps of running text, hidden
features: as many as let a head tell any of thousands of classes."""
SOUGHT = 200
"""Updates in which a perfect prediction is sought."""
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
        """Built from the training examples."""
        return self.task.encoding.build(self.splits["train"], self.config)

    @cached_property
    def examples(self) -> list[Example]:
        """Some training examples, one short and one long among them."""
        first = list(self.splits["train"][:CHOSEN])
        split = self.encoding.encode(first)
        if split.streams(1) is not None:
            return first
        lengths = list(split.lengths)
        order = sorted(range(len(first)), key=lambda row: int(lengths[row]))
        order = [row for row in order if int(lengths[row]) > 1] or order
        step = max(1, len(order) // (2 * ROWS))
        return [first[row] for row in order[: step * ROWS : step]]

    @cached_property
    def split(self) -> EncodedSplit:
        """The examples in numbers."""
        return self.encoding.encode(self.examples)

    @cached_property
    def running(self) -> bool:
        """Whether the rows are cut from running text, so that none is an example."""
        return self.split.streams(1) is not None

    @property
    def rows(self) -> range:
        """The rows of the batch."""
        return range(ROWS if self.running else len(self.examples))

    @cached_property
    def batch(self) -> Batch:
        """All rows as one batch."""
        return self.read(self.split, self.rows)

    def read(self, split: EncodedSplit, rows: Sequence[int]) -> Batch:
        """Return rows as the first kind of architecture reads them; of running text, beginnings."""
        kind = self.task.kinds[0]
        streams = split.streams(ROWS) if kind.output == "aligned" else None
        return (
            split.seen_by(kind).batch(rows) if streams is None else streams.window(rows, 0, STEPS)
        )

    @cached_property
    def inputs(self) -> Inputs:
        """The trainable start, evaluating."""
        torch.manual_seed(0)
        return self.task.inputs(self.config, self.encoding, "reference").eval()

    @cached_property
    def head(self) -> Head:
        """The trainable end, evaluating."""
        torch.manual_seed(0)
        made = self.task.head_for(self.task.kinds[0])
        head = made(self.config, self.encoding, HIDDEN, LOSS).eval()
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
        rule = torch.optim.Adam([hidden], lr=0.1)
        pace = torch.optim.lr_scheduler.LinearLR(rule, 1.0, 0.01, total_iters=SOUGHT)
        for _ in range(SOUGHT):
            rule.zero_grad()
            summed, count = self.head.loss(hidden, self.batch)
            (summed / count.clamp(min=1)).backward()
            rule.step()
            pace.step()
        return hidden.detach()

    def figures(self, hidden: Tensor) -> dict[str, float]:
        """Return what the task's metrics say of what the head predicts from hidden features."""
        scoring = self.task.scoring(self.config, self.encoding)
        with torch.no_grad():
            predicted = self.head.predict(hidden)
            summed, count = self.head.loss(hidden, self.batch)
        scoring.update(predicted, self.batch, () if self.running else self.examples)
        scoring.add_loss(float(summed), int(count))
        return scoring.compute()


def material(subject: TaskSubject) -> Material:
    """Return a subject's material, read once."""
    found: Material | None = getattr(subject, "material", None)
    if found is None:
        found = subject.material = Material(subject)  # type: ignore[attr-defined]
    return found

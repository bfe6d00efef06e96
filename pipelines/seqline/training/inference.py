"""Running a model over a split: the loss, the answers, the task's metrics."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from seqline.decoding import write
from seqline.decoding.unknowns import replace_unknown
from seqline.model import SequenceModel
from seqline.training.batches import ordered_batches
from seqline_plugins.recurrence.generated.rest import WeightsAtRest
from seqline_plugins.task import Batch, EncodedSplit, Example, Metrics, SearchTokens

TOKENS = 4096
"""Tokens in a batch of prediction, padding counted; one sequence at least."""


@dataclass(frozen=True)
class Scores:
    """What a model does on a split: the loss in nats per target, every metric by name."""

    loss: float
    metrics: dict[str, float]


@dataclass(frozen=True)
class Search:
    """How sequences are written: the section `decode`, and the tokens to write with."""

    options: Mapping[str, Any]
    tokens: SearchTokens


@dataclass(frozen=True)
class Answers:
    """What a model says of some rows of a split: the most probable outputs, (B, T).

    `others` are the next best ones where a search was asked for more, best first. `loss` is the
    summed loss and the number of targets, where it was asked for.
    """

    rows: list[int]
    batch: Batch
    predicted: Tensor
    loss: tuple[float, int] | None = None
    others: Sequence[Tensor] = ()


def answers(
    model: SequenceModel,
    split: EncodedSplit,
    device: torch.device,
    search: Search | None = None,
    *,
    with_loss: bool = False,
) -> Iterator[Answers]:
    """Yield what a model says of a whole split, the longest sequences first.

    Without a `search` that is the likeliest output of each step.
    """
    model.eval()
    rest = WeightsAtRest()
    for rows in ordered_batches(split.lengths, TOKENS):
        with torch.inference_mode(), rest:
            batch = to_device(split.batch(rows), device)
            hidden = model(batch) if with_loss or search is None else None
            loss, others = None, []
            if with_loss and hidden is not None:
                summed, count = model.loss(hidden, batch)
                loss = (float(summed), int(count))
            if search is None:
                assert hidden is not None
                predicted = model.predict(hidden)
            else:
                begun = model.begin(batch)
                written = write(model, *begun, search.tokens, search.options)
                predicted, *others = written.tokens.unbind(dim=1)
                if search.options["replace_unknown"]:
                    given = (model, batch)
                    predicted, *others = (
                        replace_unknown(*given, one, search.tokens) for one in (predicted, *others)
                    )
        yield Answers(rows, batch, predicted, loss, others)


def score(
    model: SequenceModel,
    split: EncodedSplit,
    examples: Sequence[Example],
    metrics: Metrics,
    device: torch.device,
    search: Search | None = None,
) -> Scores:
    """Return the loss and the metrics of a model on a split; `examples` are its rows as read."""
    total, targets = 0.0, 0
    for found in answers(model, split, device, search, with_loss=True):
        assert found.loss is not None
        total, targets = total + found.loss[0], targets + found.loss[1]
        add_answers(metrics, found, examples)
    return Scores(total / max(1, targets), metrics.compute())


def add_answers(metrics: Metrics, found: Answers, examples: Sequence[Example]) -> None:
    """Tell the metrics of a batch of answers."""
    own = [examples[row] for row in found.rows] if examples else []
    metrics.update(found.predicted, found.batch, own)
    if found.loss is not None:
        metrics.add_loss(*found.loss)


def to_device(batch: Batch, device: torch.device) -> Batch:
    """Move a batch to where the model is."""
    if device.type == "cpu":
        return batch
    return {name: tensor.to(device, non_blocking=True) for name, tensor in batch.items()}


def token_count(lengths: Sequence[int]) -> int:
    """Return the tokens of a batch or a split, padding not counted."""
    return int(sum(int(length) for length in lengths))

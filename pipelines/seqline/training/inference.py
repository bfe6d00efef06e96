"""Running a model over a split: the loss, the answers, the task's metrics."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from seqline.decoding import Written, arithmetic, write
from seqline.decoding.unknowns import replace_unknown
from seqline.model import SequenceModel
from seqline.training.batches import Portion, Windows, ordered_batches
from seqline_plugins.architecture import State
from seqline_plugins.recurrence.generated.rest import WeightsAtRest
from seqline_plugins.task.encoding import SearchTokens
from seqline_plugins.task.metrics import Metrics
from seqline_plugins.task.source import Example
from seqline_plugins.task.split import Batch, EncodedSplit

TOKENS = 4096
"""Tokens in a batch of prediction, padding counted; one sequence at least."""
OF_STREAM, MOST_STREAMS = 8192, 32
"""Tokens at least in a stream of scoring, each of which begins without a past; streams at most."""


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

    def write(self, model: SequenceModel, batch: Batch) -> Written:
        """Read a batch and write for each of its inputs, in the precision of the options."""
        with arithmetic(self.options, batch["lengths"].device.type), WeightsAtRest():
            return write(model, *model.begin(batch), self.tokens, self.options)


@dataclass(frozen=True)
class Answers:
    """What a model says of some rows of a split: the most probable outputs, (B, T).

    `others` are the next best ones where a search was asked for more, best first. `loss` is the
    summed loss and the number of targets, where it was asked for.
    """

    rows: Sequence[int]
    batch: Batch
    predicted: Tensor
    loss: tuple[float, int] | None = None
    others: Sequence[Tensor] = ()


def is_walked(model: SequenceModel, split: EncodedSplit) -> bool:
    """Say whether a split is running text that the model reads in streams, its state carried.

    A model that gives one output for a whole sequence reads such a text row by row.
    """
    return model.kind.output == "aligned" and split.streams(1) is not None


def answers(
    model: SequenceModel,
    split: EncodedSplit,
    device: torch.device,
    search: Search | None = None,
    *,
    with_loss: bool = False,
) -> Iterator[Answers]:
    """Yield what a model says of a whole split, the longest sequences first.

    Running text is read in streams, window after window with the state carried, where the model is
    aligned. Without a `search` that is the likeliest output of each step.
    """
    model.eval()
    read, portions = _reading(model, split)
    state: State | None = None
    rest = WeightsAtRest()
    for portion in portions:
        with torch.inference_mode(), rest:
            batch = to_device(portion.batch(read), device)
            hidden = None
            if with_loss or search is None:
                hidden, state = model(batch, state if portion.goes_on else None)
            loss, others = None, []
            if with_loss and hidden is not None:
                summed, count = model.loss(hidden, batch)
                loss = (float(summed), int(count))
            if search is None:
                assert hidden is not None
                predicted = model.predict(hidden, batch["lengths"])
            else:
                written = search.write(model, batch)
                predicted, *others = written.tokens.unbind(dim=1)
                if search.options["replace_unknown"]:
                    given = (model, batch)
                    predicted, *others = (
                        replace_unknown(*given, one, search.tokens) for one in (predicted, *others)
                    )
        yield Answers(portion.rows, batch, predicted, loss, others)


def _reading(model: SequenceModel, split: EncodedSplit) -> tuple[EncodedSplit, Iterable[Portion]]:
    if is_walked(model, split):
        count = max(1, min(MOST_STREAMS, split.tokens // OF_STREAM))
        streams = split.streams(count)
        assert streams is not None
        window = max(1, TOKENS // count)
        return streams, Windows(count, max(map(int, streams.lengths)), window)
    rows = split.seen_by(model.kind)
    return rows, map(Portion, ordered_batches(rows.lengths, TOKENS))


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
    if split.streams(1) is not None:  # of running text none are kept
        examples = ()
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

"""Running a model over a split: the loss, the predictions, the task's metrics."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from seqline.model import SequenceModel
from seqline.training.batches import ordered_batches
from seqline_plugins.task import Batch, EncodedSplit, Metrics

TOKENS = 4096
"""Tokens in a batch of prediction, padding counted; one sequence at least."""


@dataclass(frozen=True)
class Scores:
    """What a model does on a split: the loss in nats per target, every metric by name."""

    loss: float
    metrics: dict[str, float]


def predictions(
    model: SequenceModel, split: EncodedSplit, device: torch.device
) -> Iterator[tuple[list[int], Batch, Tensor, Tensor]]:
    """Yield (rows, batch, hidden, predicted) over a whole split, the longest sequences first."""
    model.eval()
    with torch.inference_mode():
        for rows in ordered_batches(split.lengths, TOKENS):
            batch = to_device(split.batch(rows), device)
            hidden = model(batch)
            yield rows, batch, hidden, model.predict(hidden)


def score(
    model: SequenceModel, split: EncodedSplit, metrics: Metrics, device: torch.device
) -> Scores:
    """Return the loss and the metrics of a model on a split."""
    total, targets = 0.0, 0
    for _, batch, hidden, predicted in predictions(model, split, device):
        with torch.inference_mode():
            loss, count = model.loss(hidden, batch)
        total, targets = total + float(loss), targets + int(count)
        metrics.update(predicted, batch)
    return Scores(total / max(1, targets), metrics.compute())


def to_device(batch: Batch, device: torch.device) -> Batch:
    """Move a batch to where the model is."""
    if device.type == "cpu":
        return batch
    return {name: tensor.to(device, non_blocking=True) for name, tensor in batch.items()}


def token_count(lengths: Sequence[int]) -> int:
    """Return the tokens of a batch or a split, padding not counted."""
    return int(sum(int(length) for length in lengths))

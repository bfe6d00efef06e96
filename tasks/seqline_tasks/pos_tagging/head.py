"""The tagger's trainable end; apart from the metrics, so that changing those retrains nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from seqline_plugins.task.head import Head
from seqline_plugins.task.split import Batch
from seqline_tasks.heads.crf import chain_loss, sums_of
from seqline_tasks.heads.softmax import Softmax
from seqline_tasks.pos_tagging.encoding import TagEncoding


class TagHead(Head):
    """A softmax over the tags of each word, and in training one over each auxiliary column.

    With `task.crf` the scores of all words and of all pairs of neighbours' tags make one
    distribution over a sentence's tags; each word gets the tag that is likeliest in it.
    """

    reads_lengths = True

    def __init__(
        self, config: Any, encoding: TagEncoding, input_size: int, loss: Mapping[str, Any]
    ) -> None:
        super().__init__(config, encoding, input_size, loss)
        smoothing, tags = loss.get("label_smoothing", 0.0), len(encoding.tags)
        self.softmax = Softmax(input_size, tags, smoothing)
        self.transitions = nn.Parameter(torch.zeros(tags, tags)) if config.crf else None
        self.auxiliary = nn.ModuleDict(
            {
                column: Softmax(input_size, len(labels), smoothing)
                for column, labels in encoding.auxiliary.items()
            }
        )

    def loss(self, hidden: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the summed loss in nats and the number of scored words.

        In training the auxiliary columns' losses are added with their weight.
        """
        summed, count = self._loss_of_tags(hidden, batch)
        if self.training:
            for column, softmax in self.auxiliary.items():
                other, _ = softmax.loss(hidden, batch[f"auxiliary.{column}"])  # type: ignore[operator]
                summed = summed + self.config.auxiliary.weight * other
        return summed, count

    def _loss_of_tags(self, hidden: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        tags = batch["tags"]
        if self.transitions is None:
            return self.softmax.loss(hidden, tags)
        scored = (tags >= 0) & (tags < self.softmax.classes)
        return self._chain(hidden, batch).sum(), scored.sum()

    def _chain(self, hidden: Tensor, batch: Batch) -> Float[Tensor, "B"]:
        """Return the loss of every sentence."""
        assert self.transitions is not None
        smoothing = self.softmax.label_smoothing if self.training else 0.0
        scores = self.softmax.scores(hidden)
        return chain_loss(scores, self.transitions, batch["lengths"], batch["tags"], smoothing)

    def step_losses(self, hidden: Tensor, batch: Batch) -> Tensor:
        """Return the loss of every word, its auxiliary columns' with their weight in training.

        With `task.crf` only sentences have one: it stands at their first word.
        """
        if self.transitions is None:
            losses = self.softmax.step_losses(hidden, batch["tags"])
        else:
            each = self._chain(hidden, batch)
            losses = nn.functional.pad(each.unsqueeze(1), (0, batch["tags"].shape[1] - 1))
        if self.training:
            for column, softmax in self.auxiliary.items():
                other = softmax.step_losses(hidden, batch[f"auxiliary.{column}"])  # type: ignore[operator]
                losses = losses + self.config.auxiliary.weight * other
        return losses

    def predict(self, hidden: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Return the most probable tag of every word."""
        if self.transitions is None:
            return self.softmax.predict(hidden)
        return self.probabilities(hidden, lengths).argmax(dim=-1)

    def probabilities(self, hidden: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Return the probability of every tag for every word; all words count without lengths."""
        if self.transitions is None:
            return self.softmax.probabilities(hidden)
        scores = self.softmax.scores(hidden)
        scores = scores.to(torch.promote_types(scores.dtype, torch.float32))
        if lengths is None:
            lengths = torch.full((len(scores),), scores.shape[1], device=scores.device)
        return sums_of(scores, self.transitions.to(scores.dtype), lengths).marginals

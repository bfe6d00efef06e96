"""The tagger's trainable end; apart from the metrics, so that changing those retrains nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from seqline_plugins.task import Batch, Head
from seqline_tasks.heads.softmax import Softmax
from seqline_tasks.pos_tagging.encoding import TagEncoding


class TagHead(Head):
    """A softmax over the tags of each word, and in training one over each auxiliary column."""

    def __init__(
        self, config: Any, encoding: TagEncoding, input_size: int, loss: Mapping[str, Any]
    ) -> None:
        super().__init__(config, encoding, input_size, loss)
        smoothing = loss.get("label_smoothing", 0.0)
        self.softmax = Softmax(input_size, len(encoding.tags), smoothing)
        self.auxiliary = nn.ModuleDict(
            {
                column: Softmax(input_size, len(labels), smoothing)
                for column, labels in encoding.auxiliary.items()
            }
        )

    def loss(self, hidden: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the summed cross-entropy in nats and the number of scored words.

        In training the auxiliary columns' losses are added with their weight.
        """
        summed, count = self.softmax.loss(hidden, batch["tags"])
        if self.training:
            for column, softmax in self.auxiliary.items():
                other, _ = softmax.loss(hidden, batch[f"auxiliary.{column}"])  # type: ignore[operator]
                summed = summed + self.config.auxiliary.weight * other
        return summed, count

    def step_losses(self, hidden: Tensor, batch: Batch) -> Tensor:
        """Return the loss of every word, its auxiliary columns' with their weight in training."""
        losses = self.softmax.step_losses(hidden, batch["tags"])
        if self.training:
            for column, softmax in self.auxiliary.items():
                other = softmax.step_losses(hidden, batch[f"auxiliary.{column}"])  # type: ignore[operator]
                losses = losses + self.config.auxiliary.weight * other
        return losses

    def predict(self, hidden: Tensor) -> Tensor:
        """Return the most probable tag of every word."""
        return self.softmax.predict(hidden)

    def probabilities(self, hidden: Tensor) -> Tensor:
        """Return the probability of every tag for every word."""
        return self.softmax.probabilities(hidden)

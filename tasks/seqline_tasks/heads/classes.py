"""The end of every classifier: a softmax over classes, of a sequence or of each of its steps.

Letters: B batch, T time, H hidden features, C classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from seqline_plugins.task.head import Head
from seqline_plugins.task.split import Batch
from seqline_tasks.heads.softmax import Softmax


class ClassHead(Head):
    """p = softmax(W h + b) over the encoding's `classes`, against the batch's `target`.

    One class a row, (B, H) against (B,), or one a step, (B, T, H) against (B, T).
    """

    def __init__(
        self, config: Any, encoding: Any, input_size: int, loss: Mapping[str, Any]
    ) -> None:
        super().__init__(config, encoding, input_size, loss)
        smoothing = loss.get("label_smoothing", 0.0)
        self.softmax = Softmax(input_size, len(encoding.classes), smoothing)

    def loss(self, hidden: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the summed cross-entropy in nats and how many targets are scored."""
        return self.softmax.loss(hidden, batch["target"])

    def step_losses(self, hidden: Tensor, batch: Batch) -> Tensor:
        """Return the cross-entropy of each target, (B, T), or (B, 1) for one a row."""
        losses = self.softmax.step_losses(hidden, batch["target"])
        return losses if losses.dim() > 1 else losses.unsqueeze(-1)

    def predict(self, hidden: Tensor) -> Tensor:
        """Return the most probable classes."""
        return self.softmax.predict(hidden)

    def probabilities(self, hidden: Tensor) -> Tensor:
        """Return the probability of every class."""
        return self.softmax.probabilities(hidden)

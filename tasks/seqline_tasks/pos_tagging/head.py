"""The tagger's trainable end; apart from the metrics, so that changing those retrains nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from seqline_plugins.task import Batch, Head
from seqline_tasks.heads.softmax import Softmax
from seqline_tasks.pos_tagging.encoding import TagEncoding


class TagHead(Head):
    """A softmax over the tags of each word."""

    def __init__(
        self, config: Any, encoding: TagEncoding, input_size: int, loss: Mapping[str, Any]
    ) -> None:
        super().__init__(config, encoding, input_size, loss)
        self.softmax = Softmax(input_size, len(encoding.tags), loss.get("label_smoothing", 0.0))

    def loss(self, hidden: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the summed cross-entropy in nats and the number of scored words."""
        return self.softmax.loss(hidden, batch["tags"])

    def predict(self, hidden: Tensor) -> Tensor:
        """Return the most probable tag of every word."""
        return self.softmax.predict(hidden)

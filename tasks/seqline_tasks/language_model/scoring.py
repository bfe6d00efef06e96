"""How well each character is told by those before it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from torch import Tensor

from seqline_plugins.task.metrics import Metrics
from seqline_plugins.task.source import Example
from seqline_plugins.task.split import Batch
from seqline_tasks.language_model.encoding import CharacterEncoding
from seqline_tasks.language_model.head import told_of


class CharacterMetrics(Metrics):
    """Bits per character, the cross-entropy in base 2; how often the likeliest was right."""

    def __init__(self, config: Any, encoding: CharacterEncoding) -> None:
        super().__init__(config, encoding)
        self._loss, self._targets, self._right, self._told = 0.0, 0, 0, 0

    def update(self, predicted: Tensor, batch: Batch, examples: Sequence[Example] = ()) -> None:
        """Add predictions, (B, T) or (B,)."""
        self._right += int((predicted == told_of(predicted, batch)).sum())
        self._told += predicted.numel()

    def add_loss(self, loss: float, targets: int) -> None:
        """Add the summed loss of a batch, in nats, and of how many characters it is."""
        self._loss, self._targets = self._loss + loss, self._targets + targets

    def compute(self) -> dict[str, float]:
        """Return bits_per_character and accuracy."""
        return {
            "bits_per_character": self._loss / max(1, self._targets) / math.log(2),
            "accuracy": self._right / max(1, self._told),
        }

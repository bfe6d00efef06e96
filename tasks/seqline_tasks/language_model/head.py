"""The trainable end: which character is next.

Letters: B rows, T steps, R texts side by side, H hidden features, C characters.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from seqline_plugins.sampling import NEVER, pick
from seqline_plugins.task.head import Head
from seqline_plugins.task.split import Batch
from seqline_tasks.heads.softmax import Softmax
from seqline_tasks.language_model.encoding import UNKNOWN, CharacterEncoding


class CharacterHead(Head):
    """A softmax over all characters, at every step or after a window."""

    def __init__(
        self, config: Any, encoding: CharacterEncoding, input_size: int, loss: Mapping[str, Any]
    ) -> None:
        super().__init__(config, encoding, input_size, loss)
        self.softmax = Softmax(input_size, len(encoding), loss.get("label_smoothing", 0.0))

    def loss(self, hidden: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the summed cross-entropy in nats and how many characters it is of."""
        return self.softmax.loss(hidden, told_of(hidden, batch))

    def step_losses(self, hidden: Tensor, batch: Batch) -> Tensor:
        """Return the cross-entropy of every character."""
        losses = self.softmax.step_losses(hidden, told_of(hidden, batch))
        return losses if losses.dim() > 1 else losses.unsqueeze(-1)

    def predict(self, hidden: Tensor) -> Tensor:
        """Return the likeliest character of every step."""
        return self.softmax.predict(hidden)

    def probabilities(self, hidden: Float[Tensor, "*B H"]) -> Float[Tensor, "*B C"]:
        """Return the probability of each character."""
        return self.softmax.probabilities(hidden)

    def log_probabilities(
        self, hidden: Tensor, memory: Mapping[str, Tensor] | None = None
    ) -> Float[Tensor, "*B C"]:
        """Return the logarithm of the probability of each character."""
        return self.softmax.log_probabilities(hidden)

    def sample(
        self, hidden: Float[Tensor, "R H"], options: Mapping[str, Any], draw: torch.Generator
    ) -> Int[Tensor, "R"]:
        """Return a character a row; the unknown one is never drawn."""
        scores = self.log_probabilities(hidden).double()
        scores[:, UNKNOWN] = NEVER
        uniform = torch.rand(len(scores), generator=draw, dtype=torch.float64)
        return pick(scores, uniform.to(scores.device), options)


def told_of(outputs: Tensor, batch: Batch) -> Tensor:
    """Return the characters that outputs (B, T, …) tell: all, or a piece's after its beginning."""
    targets = batch["targets"]
    return targets if targets.dim() == 1 else targets[:, targets.shape[1] - outputs.shape[1] :]

"""The translator's trainable end: a softmax over the target's pieces."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from seqline_plugins.linear import Linear
from seqline_plugins.task import Batch, Head, Inputs
from seqline_tasks.heads.softmax import Softmax
from seqline_tasks.translation.encoding import PairEncoding
from seqline_tasks.translation.inputs import PieceInputs


class PieceHead(Head):
    """softmax(E W h + b) with E the target's vectors if tied, else softmax(W h + b)."""

    def __init__(
        self, config: Any, encoding: PairEncoding, input_size: int, loss: Mapping[str, Any]
    ) -> None:
        super().__init__(config, encoding, input_size, loss)
        self.tied = config.embedding.tied != "none"
        size = config.embedding.size if self.tied else input_size
        self.project = nn.Identity() if size == input_size else Linear(input_size, size)
        smoothing = loss.get("label_smoothing", 0.0)
        self.softmax = Softmax(size, len(encoding.target), smoothing)

    def tie(self, inputs: Inputs) -> None:
        """Take the target's vectors as the output's weights, if they are tied."""
        if self.tied:
            assert isinstance(inputs, PieceInputs)
            self.softmax.scores.weight = inputs.target.weight

    def loss(self, hidden: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the summed cross-entropy in nats and the number of target pieces."""
        return self.softmax.loss(self.project(hidden), batch["target"])

    def step_losses(self, hidden: Tensor, batch: Batch) -> Tensor:
        """Return the cross-entropy of every target piece, (B, U)."""
        return self.softmax.step_losses(self.project(hidden), batch["target"])

    def predict(self, hidden: Tensor) -> Tensor:
        """Return the most probable piece after each one that was given."""
        return self.softmax.predict(self.project(hidden))

    def probabilities(self, hidden: Float[Tensor, "*B H"]) -> Float[Tensor, "*B C"]:
        """Return the probability of each piece."""
        return self.softmax.probabilities(self.project(hidden))

    def log_probabilities(self, hidden: Float[Tensor, "*B H"]) -> Float[Tensor, "*B C"]:
        """Return the logarithm of the probability of each piece."""
        return self.softmax.log_probabilities(self.project(hidden))

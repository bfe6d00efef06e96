"""The trainable end: a softmax over the target's pieces, with copies where asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from seqline_plugins.architecture import Attended
from seqline_plugins.linear import Linear
from seqline_plugins.task.head import Head
from seqline_plugins.task.inputs import Inputs
from seqline_plugins.task.split import Batch
from seqline_tasks.heads.copying import copied_losses, coverage_losses, with_copies
from seqline_tasks.heads.softmax import Softmax
from seqline_tasks.text_to_text.encoding import PairEncoding
from seqline_tasks.text_to_text.inputs import PieceInputs


class PieceHead(Head):
    """softmax(E W h + b) with E the target's vectors if tied, else softmax(W h + b).

    Where the architecture has a gate, a piece may also be copied from the source.
    """

    reads_attention = True

    def __init__(
        self, config: Any, encoding: PairEncoding, input_size: int, loss: Mapping[str, Any]
    ) -> None:
        super().__init__(config, encoding, input_size, loss)
        self.tied = config.embedding.tied != "none"
        size = config.embedding.size if self.tied else input_size
        self.project = nn.Identity() if size == input_size else Linear(input_size, size)
        smoothing = loss.get("label_smoothing", 0.0)
        self.coverage = loss.get("coverage", 0.0)
        self.softmax = Softmax(size, len(encoding.target), smoothing)

    def tie(self, inputs: Inputs) -> None:
        """Take the target's vectors as the output's weights, if they are tied."""
        if self.tied:
            assert isinstance(inputs, PieceInputs)
            self.softmax.scores.weight = inputs.target.weight

    def loss(self, hidden: Tensor | Attended, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the summed cross-entropy in nats and the number of target pieces.

        While training, looking twice at a place is added, weighted by `loss.coverage`.
        """
        if self._is_plain(hidden):
            return self.softmax.loss(self._projected(hidden), batch["target"])
        losses = self.step_losses(hidden, batch)
        return losses.sum(), (batch["target"] >= 0).sum()

    def step_losses(self, hidden: Tensor | Attended, batch: Batch) -> Tensor:
        """Return the loss of every target piece, (B, U)."""
        projected, target = self._projected(hidden), batch["target"]
        if not isinstance(hidden, Attended) or hidden.gate is None:
            losses = self.softmax.step_losses(projected, target)
        else:
            own, of_all = self.softmax.step_parts(projected, target)
            losses = copied_losses(own, hidden.gate, hidden.weights, batch["source"], target)
            share = self.softmax.label_smoothing if self.training else 0.0
            losses = losses.lerp(of_all, share) if share else losses
        if self.training and self.coverage and isinstance(hidden, Attended):
            losses = losses + self.coverage * coverage_losses(hidden.weights).to(losses.dtype)
        return losses.masked_fill(target < 0, 0.0)

    def predict(self, hidden: Tensor | Attended) -> Tensor:
        """Return the most probable piece of the vocabulary after each one that was given."""
        return self.softmax.predict(self._projected(hidden))

    def probabilities(self, hidden: Tensor | Attended) -> Float[Tensor, "*B C"]:
        """Return the probability of each piece of the vocabulary."""
        return self.softmax.probabilities(self._projected(hidden))

    def remember(self, batch: Batch) -> dict[str, Tensor]:
        """Return the source's pieces, which may be copied."""
        return {"source": batch["source"]}

    def log_probabilities(
        self, hidden: Tensor | Attended, memory: Mapping[str, Tensor] | None = None
    ) -> Float[Tensor, "*B C"]:
        """Return the logarithm of the probability of each piece, copies included."""
        own = self.softmax.log_probabilities(self._projected(hidden))
        if memory is None or not isinstance(hidden, Attended) or hidden.gate is None:
            return own
        return with_copies(own, hidden.gate, hidden.weights, memory["source"])

    def _projected(self, hidden: Tensor | Attended) -> Tensor:
        features = hidden.hidden if isinstance(hidden, Attended) else hidden
        projected: Tensor = self.project(features)
        return projected

    def _is_plain(self, hidden: Tensor | Attended) -> bool:
        """Say whether the loss is cross-entropy alone."""
        if not isinstance(hidden, Attended):
            return True
        return hidden.gate is None and not (self.training and self.coverage)

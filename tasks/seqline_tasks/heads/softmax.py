"""A softmax over classes, at every step.

Letters: B batch, T time, H hidden features, C classes.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from seqline_plugins.linear import Linear, log_softmax
from seqline_tasks.heads.fused import fused_cross_entropy

UNSCORED = -100


class Softmax(nn.Module):
    """p = softmax(W h + b); the loss is cross-entropy in nats, summed over the scored steps.

    Labels are smoothed in training only.
    """

    def __init__(self, input_size: int, classes: int, label_smoothing: float = 0.0) -> None:
        super().__init__()
        self.classes, self.label_smoothing = classes, label_smoothing
        self.scores = Linear(input_size, classes)

    def loss(self, hidden: Tensor, targets: Int[Tensor, "*B"]) -> tuple[Tensor, Tensor]:
        """Return the summed loss and the number of targets; UNSCORED ones count for nothing.

        So do targets past the last class, which no training example had.
        """
        scored = (targets >= 0) & (targets < self.classes)
        whole = bool(scored.all())  # then nothing need be picked out
        rows = hidden.flatten(0, -2) if whole else hidden[scored]
        chosen = targets.flatten() if whole else targets[scored]
        if self.training and torch.is_grad_enabled():
            linear = self.scores.weight, self.scores.bias
            return fused_cross_entropy(rows, *linear, chosen, self.label_smoothing), scored.sum()
        scores = self.scores(rows)
        summed = F.cross_entropy(
            scores.to(torch.promote_types(scores.dtype, torch.float32)),
            chosen,
            reduction="sum",
            label_smoothing=self.label_smoothing if self.training else 0.0,
        )
        return summed, scored.sum()

    def step_losses(self, hidden: Tensor, targets: Int[Tensor, "*B"]) -> Float[Tensor, "*B"]:
        """Return the loss of every target, 0 where it counts for nothing."""
        scored = (targets >= 0) & (targets < self.classes)
        scores = self.scores(hidden[scored])
        losses = F.cross_entropy(
            scores.to(torch.promote_types(scores.dtype, torch.float32)),
            targets[scored],
            reduction="none",
            label_smoothing=self.label_smoothing if self.training else 0.0,
        )
        return losses.new_zeros(targets.shape).masked_scatter(scored, losses)

    def step_parts(
        self, hidden: Tensor, targets: Int[Tensor, "*B"]
    ) -> tuple[Float[Tensor, "*B"], Float[Tensor, "*B"]]:
        """Return −log p of every target, and −log p meant over all classes: smoothing's part."""
        scores = self.scores(hidden)
        scores = scores.to(torch.promote_types(scores.dtype, torch.float32))
        all_of_them = scores.logsumexp(dim=-1)
        chosen = targets.clamp(0, self.classes - 1).unsqueeze(-1)
        return all_of_them - scores.gather(-1, chosen).squeeze(-1), all_of_them - scores.mean(-1)

    def probabilities(self, hidden: Float[Tensor, "*B H"]) -> Float[Tensor, "*B C"]:
        """Return the distribution of every step."""
        scores = self.scores(hidden)
        found: Tensor = scores.to(torch.promote_types(scores.dtype, torch.float32)).softmax(dim=-1)
        return found

    def log_probabilities(self, hidden: Float[Tensor, "*B H"]) -> Float[Tensor, "*B C"]:
        """Return the logarithm of the distribution of every step."""
        return log_softmax(self.scores(hidden))

    def predict(self, hidden: Float[Tensor, "*B H"]) -> Int[Tensor, "*B"]:
        """Return the most probable class of every step."""
        best: Any = self.scores(hidden).argmax(dim=-1)
        return best

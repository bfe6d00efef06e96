"""The trainable end: the keys of the next frame, and whether there is one.

Letters: B pieces, T frames, H hidden features, K keys, R rows of a generation.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from seqline_plugins.task.head import Head
from seqline_plugins.task.split import Batch
from seqline_tasks.heads.keys import Keys
from seqline_tasks.music.encoding import LAST, PADDING, TOLD
from seqline_tasks.music.notes import KEYS


class FrameHead(Head):
    """Bernoulli keys, in a chain if asked for; the end is learned beside them, not scored."""

    def __init__(
        self, config: Any, encoding: Any, input_size: int, loss: Mapping[str, Any]
    ) -> None:
        super().__init__(config, encoding, input_size, loss)
        self.keys = Keys(input_size, KEYS, config.chain.units, config.chain.dropout)
        self.end = nn.Linear(input_size, 1)

    def loss(self, hidden: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return −log p of the keys in nats, summed, and the frames that were told.

        In training the end's is added.
        """
        told = batch["step"] == TOLD
        summed = self.keys.losses(hidden[told], batch["next"][told]).sum()
        if self.training:
            summed = summed + self._end_losses(hidden, batch).sum()
        return summed, told.sum()

    def step_losses(self, hidden: Tensor, batch: Batch) -> Float[Tensor, "B T"]:
        """Return the loss of every step."""
        told = batch["step"] == TOLD
        found = self.keys.losses(hidden[told], batch["next"][told])
        losses = found.new_zeros(told.shape).masked_scatter(told, found)
        return losses + self._end_losses(hidden, batch) if self.training else losses

    def predict(self, hidden: Float[Tensor, "B T H"]) -> Float[Tensor, "B T K"]:
        """Return the likelier of on and off for each key of the next frames."""
        return self.keys.predict(hidden)

    def sample(
        self,
        hidden: Float[Tensor, "R H"],
        options: Mapping[str, Any],
        draw: torch.Generator,
    ) -> Tensor:
        """Return the drawn keys of the next frame and 1 if there is none any more, (R, K + 1)."""
        uniform = torch.rand(len(hidden), 1, generator=draw, device=draw.device)
        score, tau = self.end(hidden), options["temperature"]
        ends = score > 0 if tau == 0 else uniform.to(score.device) < (score / tau).sigmoid()
        return torch.cat([self.keys.sample(hidden, options, draw), ends.to(score.dtype)], dim=-1)

    def _end_losses(self, hidden: Tensor, batch: Batch) -> Tensor:
        scores = self.end(hidden).squeeze(-1)
        wide = scores.to(torch.promote_types(scores.dtype, torch.float32))
        last = (batch["step"] == LAST).to(wide.dtype)
        losses = F.binary_cross_entropy_with_logits(wide, last, reduction="none")
        return losses.masked_fill(batch["step"] == PADDING, 0)

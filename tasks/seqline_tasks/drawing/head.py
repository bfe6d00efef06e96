"""The trainable end: a mixture over the pen's next offset, a softmax over its states.

Letters: B drawings, U steps, H hidden features, R rows of a generation.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from seqline_plugins.task.head import Head
from seqline_plugins.task.split import Batch
from seqline_tasks.heads.strokes import Strokes


class StrokeHead(Head):
    """−log p of offset and pen, in nats a point; the end has a pen's state and no offset."""

    def __init__(
        self, config: Any, encoding: Any, input_size: int, loss: Mapping[str, Any]
    ) -> None:
        super().__init__(config, encoding, input_size, loss)
        self.strokes = Strokes(input_size, config.components, config.smallest)

    def loss(self, hidden: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the summed loss and the number of points."""
        valid, lengths = _valid(batch), batch["lengths"]
        return self._losses(hidden, batch, valid).sum(), (lengths - 1).sum()

    def step_losses(self, hidden: Tensor, batch: Batch) -> Float[Tensor, "B U"]:
        """Return the loss of every step."""
        valid = _valid(batch)
        found = self._losses(hidden, batch, valid)
        return found.new_zeros(valid.shape).masked_scatter(valid, found)

    def predict(self, hidden: Float[Tensor, "B U H"]) -> Float[Tensor, "B U 3"]:
        """Return the likeliest offset and state of the pen after each step."""
        return self.strokes.predict(hidden)

    def sample(
        self,
        hidden: Float[Tensor, "R H"],
        options: Mapping[str, Any],
        draw: torch.Generator,
    ) -> Float[Tensor, "R 3"]:
        """Return a drawn offset and state of the pen."""
        return self.strokes.sample(hidden, options, draw)

    def _losses(self, hidden: Tensor, batch: Batch, valid: Tensor) -> Tensor:
        """Return the loss of the valid steps, one after the other."""
        last = batch["lengths"].unsqueeze(-1) - 1
        ends = (torch.arange(valid.shape[1], device=valid.device) == last)[valid]
        told = batch["offsets"][valid], batch["pens"][valid]
        offset, pen = self.strokes.losses(hidden[valid], *told)
        return pen + offset.masked_fill(ends, 0)


def _valid(batch: Batch) -> Tensor:
    steps = torch.arange(batch["pens"].shape[1], device=batch["pens"].device)
    return steps < batch["lengths"].unsqueeze(-1)

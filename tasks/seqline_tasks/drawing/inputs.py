"""What the network reads: a vector for the drawing's class, and the points drawn so far.

Letters: B drawings, U steps, I numbers of a class, R rows of a generation.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from seqline_plugins.task.inputs import Inputs
from seqline_plugins.task.split import Batch
from seqline_tasks.drawing.encoding import DrawingEncoding, stroke_5


class StrokeInputs(Inputs):
    """An embedding of the class; points as offset and state of the pen, five numbers."""

    def __init__(self, config: Any, encoding: DrawingEncoding, kernel: str = "auto") -> None:
        super().__init__(config, encoding, kernel)
        self.output_size, self.fed_size = config.label_size, 5
        self.label = nn.Embedding(len(encoding.labels), config.label_size)

    def forward(self, batch: Batch) -> tuple[Float[Tensor, "B 1 I"], Int[Tensor, "B"]]:
        """Return the class's vector, a sequence of one step."""
        vectors: Tensor = self.label(batch["label"]).unsqueeze(1)
        return vectors, torch.ones_like(batch["label"])

    def targets(self, batch: Batch) -> tuple[Float[Tensor, "B U 5"], Int[Tensor, "B"]]:
        """Return what stands before each step, and the steps of each drawing."""
        return batch["fed"], batch["lengths"]

    def feedback(self, sample: Float[Tensor, "R 3"]) -> Float[Tensor, "R 5"]:
        """Return the point that was drawn last, as it is fed."""
        return stroke_5(sample[:, :2], sample[:, 2])

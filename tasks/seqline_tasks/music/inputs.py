"""What the network reads: the keys themselves, 1 where one sounds.

Letters: B pieces, T frames, K keys, R rows of a generation.
"""

from __future__ import annotations

from typing import Any

from jaxtyping import Float, Int
from torch import Tensor

from seqline_plugins.task.inputs import Inputs
from seqline_plugins.task.split import Batch
from seqline_tasks.music.notes import KEYS


class FrameInputs(Inputs):
    """Frames; the entity that a piece is made from is its first chord, which is fed first too."""

    def __init__(self, config: Any, encoding: Any, kernel: str = "auto") -> None:
        super().__init__(config, encoding, kernel)
        self.output_size = self.fed_size = KEYS

    def forward(self, batch: Batch) -> tuple[Float[Tensor, "B T K"], Int[Tensor, "B"]]:
        """Return the keys of every frame and how many frames each piece has."""
        return batch["frames"], batch["lengths"]

    def targets(self, batch: Batch) -> tuple[Float[Tensor, "B T K"], Int[Tensor, "B"]]:
        """Return the frames, each standing before the one that is told from it."""
        return self(batch)

    def feedback(self, sample: Float[Tensor, "R S"]) -> Float[Tensor, "R K"]:
        """Return the keys of what was drawn last, without its sign of the end."""
        return sample[:, :KEYS]

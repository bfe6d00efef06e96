"""How well the next frames are told: nats a frame, and keys that are right.

Letters: B pieces, T frames, K keys.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jaxtyping import Float
from torch import Tensor

from seqline_plugins.task.metrics import Metrics
from seqline_plugins.task.source import Example
from seqline_plugins.task.split import Batch
from seqline_tasks.music.encoding import TOLD
from seqline_tasks.music.pictures import draw_rolls


class MusicMetrics(Metrics):
    """NLL per frame as Bai et al. 2018 take it, and frame-level accuracy (Bay et al. 2009)."""

    def __init__(self, config: Any, encoding: Any) -> None:
        super().__init__(config, encoding)
        self._loss = 0.0
        self._frames = self._right = self._either = 0
        self._shown: tuple[Tensor, Tensor] | None = None

    def update(
        self, predicted: Float[Tensor, "B T K"], batch: Batch, examples: Sequence[Example] = ()
    ) -> None:
        """Add the likeliest keys of every next frame."""
        told = batch["step"] == TOLD
        given, wanted = predicted[told] > 0.5, batch["next"][told] > 0.5
        self._right += int((given & wanted).sum())
        self._either += int((given | wanted).sum())
        if self._shown is None:
            first = told[0]
            self._shown = (batch["next"][0][first].cpu() > 0.5, predicted[0][first].cpu() > 0.5)

    def add_loss(self, loss: float, targets: int) -> None:
        """Add the summed loss of a batch, and of how many frames it is."""
        self._loss, self._frames = self._loss + loss, self._frames + targets

    def compute(self) -> dict[str, float]:
        """Return nll, nats a frame summed over its 88 keys, and accuracy, TP / (TP + FP + FN)."""
        return {
            "nll": self._loss / max(1, self._frames),
            "accuracy": self._right / max(1, self._either),
        }

    def pictures(self, folder: Path) -> list[Path]:
        """Draw a piece as it is, and what was the likeliest next frame at each of its frames."""
        if self._shown is None:
            return []
        wanted, given = self._shown
        path = folder / "next_frames.png"
        rolls = {"as it is": wanted.numpy(), "likeliest, told from all before": given.numpy()}
        draw_rolls(rolls, self.encoding.frames_per_quarter, path)
        return [path]

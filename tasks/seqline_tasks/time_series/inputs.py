"""What the network reads of each step: values, others, what is known of the future.

Letters: B windows, W steps read, U steps forecast, I features.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from seqline_plugins.task.inputs import Inputs
from seqline_plugins.task.split import Batch
from seqline_tasks.time_series.encoding import SeriesEncoding


class StepInputs(Inputs):
    """Levels and changes of targets and covariates, what is known of step t and of step t + U.

    Nothing of a step depends on later values, so that the steps may come one by one. Where the
    architecture writes a sequence, each of its steps reads what is known of it and how far it is.
    """

    def __init__(self, config: Any, encoding: SeriesEncoding, kernel: str = "auto") -> None:
        super().__init__(config, encoding, kernel)
        columns = len(encoding.targets) + len(encoding.covariates)
        self.levels = config.read != "changes"
        self.changes = config.read != "levels"
        read = columns * (self.levels + self.changes)
        self.output_size = read + 2 * encoding.known_size
        self.fed_size = encoding.known_size + 1

    def forward(self, batch: Batch) -> tuple[Float[Tensor, "B W I"], Int[Tensor, "B"]]:
        """Return the features of the steps that are read."""
        past, known = batch["past"], batch["known"]
        W, U = past.shape[1], batch["target"].shape[1]
        parts = [past] if self.levels else []
        if self.changes:
            change = past.diff(dim=1)
            parts.append(torch.cat([torch.zeros_like(past[:, :1]), change], dim=1))
        parts += [known[:, :W], known[:, U:]]
        return torch.cat(parts, dim=-1), batch["lengths"]

    def targets(self, batch: Batch) -> tuple[Float[Tensor, "B U F"], Int[Tensor, "B"]]:
        """Return what is known of each step that is forecast, and how far it is, up to 1."""
        B, U = batch["target"].shape[:2]
        ahead = batch["known"][:, -U:]
        far = torch.arange(1, U + 1, device=ahead.device, dtype=ahead.dtype) / U
        features = torch.cat([ahead, far.view(1, U, 1).expand(B, -1, -1)], dim=-1)
        return features, torch.full_like(batch["lengths"], U)

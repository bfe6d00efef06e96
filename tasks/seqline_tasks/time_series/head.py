"""The forecast: a distribution over each variable at each step ahead.

Letters: B windows, U steps forecast, V variables, Q quantiles, H hidden features.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from seqline_plugins.task.head import Head
from seqline_plugins.task.split import Batch
from seqline_tasks.heads.gaussian import Gaussian
from seqline_tasks.heads.quantiles import Quantiles
from seqline_tasks.time_series.encoding import SeriesEncoding


class WindowForecast(Head):
    """All U steps of one vector a window, (B, H).

    What is forecast are scaled values, less the last one that was read where `from_last` asks for
    that.
    """

    at_once = True

    def __init__(
        self, config: Any, encoding: SeriesEncoding, input_size: int, loss: Mapping[str, Any]
    ) -> None:
        super().__init__(config, encoding, input_size, loss)
        self.V = len(encoding.targets)
        numbers = self.V * (encoding.horizon if self.at_once else 1)
        if config.distribution == "quantiles":
            self.distribution: Any = Quantiles(input_size, numbers, config.levels)
        else:
            spread = 1.0 if config.distribution == "squared" else None
            self.distribution = Gaussian(input_size, numbers, spread)

    def loss(self, hidden: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the summed loss and how many numbers are forecast."""
        losses = self._losses(hidden, batch)
        return losses.sum(), torch.tensor(losses.numel(), device=losses.device)

    def step_losses(self, hidden: Tensor, batch: Batch) -> Tensor:
        """Return the loss of each step of the output, (B, U), or (B, 1) of all at once."""
        losses = self._losses(hidden, batch)
        return losses.sum(-1) if losses.dim() == 3 else losses.sum(-1, keepdim=True)

    def predict(self, hidden: Tensor) -> Float[Tensor, "B U V Q1"]:
        """Return the forecast and after it its quantiles, none for `squared`."""
        levels = torch.tensor(self.config.levels, device=hidden.device)
        if self.config.distribution == "quantiles":
            quantiles = self.distribution(hidden)
            points = quantiles[..., self.config.levels.index(0.5)]
        else:
            points = self.distribution(hidden)[0]
            quantiles = self.distribution.quantiles(hidden, levels)
        if self.config.distribution == "squared":
            quantiles = quantiles[..., :0]
        found = torch.cat([points.unsqueeze(-1), quantiles], dim=-1)
        return found.reshape(len(hidden), -1, self.V, found.shape[-1])

    def _losses(self, hidden: Tensor, batch: Batch) -> Tensor:
        wanted = batch["target"]
        if self.config.from_last:
            wanted = wanted - batch["last"].unsqueeze(1)
        losses: Tensor = self.distribution.losses(
            hidden, wanted.flatten(1) if self.at_once else wanted
        )
        return losses


class StepForecast(WindowForecast):
    """Each step of one vector, (B, U, H): what an architecture gives that writes a sequence."""

    at_once = False

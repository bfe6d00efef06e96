"""What the network reads of a frame: a small convolution over it, or its key points.

Letters: B clips, T frames, F numbers of a frame, I features.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from seqline_plugins.dropout import drop
from seqline_plugins.task.inputs import Inputs
from seqline_plugins.task.split import Batch
from seqline_tasks.video.encoding import ClipEncoding


class FrameInputs(Inputs):
    """Features of every frame; in training key points are changed as `augment` says."""

    def __init__(self, config: Any, encoding: ClipEncoding, kernel: str = "auto") -> None:
        super().__init__(config, encoding, kernel)
        self.convolution: nn.Module | None = None
        if encoding.is_picture:
            height, width = encoding.size
            self.convolution = FrameConvolution(config.convolution, height, width)
            self.output_size = config.convolution.size
        else:
            self.output_size = encoding.size[0] * (2 if config.moves else 1)

    def forward(self, batch: Batch) -> tuple[Float[Tensor, "B T I"], Int[Tensor, "B"]]:
        """Return the features of every frame and how many there are."""
        frames, lengths = batch["frames"], batch["lengths"]
        if self.convolution is not None:
            features = self.convolution(frames)
            return drop(features, self.config.convolution.dropout, self.training), lengths
        if self.training:
            frames = self._augmented(frames, lengths)
        if self.config.moves:
            moved = frames.diff(dim=1)
            still = torch.zeros_like(frames[:, :1])
            frames = torch.cat([frames, torch.cat([still, moved], dim=1)], dim=-1)
        return frames, lengths

    def _augmented(
        self, points: Float[Tensor, "B T F"], lengths: Int[Tensor, "B"]
    ) -> Float[Tensor, "B T F"]:
        """Return points turned, scaled, later or earlier, and with noise."""
        options, B = self.config.augment, len(points)

        def drawn(largest: float) -> Tensor:
            return (2 * torch.rand(B, 1, 1, device=points.device) - 1) * largest

        if options.shift:
            by = drawn(options.shift + 0.5).round().long().squeeze(-1)
            steps = torch.arange(points.shape[1], device=points.device) - by
            last = (lengths - 1).clamp(min=0).unsqueeze(-1)
            place = torch.minimum(steps.clamp(min=0), last).unsqueeze(-1).expand_as(points)
            points = points.gather(1, place)
        if options.scale:
            points = points * (1 + drawn(options.scale))
        if options.turn and points.shape[-1] % 2 == 0:
            angle = drawn(math.radians(options.turn)).unsqueeze(-1)
            x, y = points.unflatten(-1, (-1, 2)).split(1, dim=-1)
            turned = [x * angle.cos() - y * angle.sin(), x * angle.sin() + y * angle.cos()]
            points = torch.cat(turned, dim=-1).flatten(2)
        if options.noise:
            points = points + options.noise * torch.randn_like(points)
        return points


class FrameConvolution(nn.Module):
    """Two layers of 3 × 3 filters, each halving the frame, and a linear map, relu after each."""

    def __init__(self, config: Any, height: int, width: int) -> None:
        super().__init__()
        self.height, self.width = height, width
        C = config.channels
        self.layers = nn.Sequential(
            nn.Conv2d(1, C, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2, ceil_mode=True),
            nn.Conv2d(C, 2 * C, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2, ceil_mode=True),
            nn.Flatten(),
            nn.Linear(2 * C * math.ceil(height / 4) * math.ceil(width / 4), config.size),
            nn.ReLU(),
        )

    def forward(self, frames: Float[Tensor, "B T F"]) -> Float[Tensor, "B T I"]:
        """Return the features of every frame."""
        B, T = frames.shape[:2]
        features: Tensor = self.layers(frames.reshape(B * T, 1, self.height, self.width))
        return features.view(B, T, -1)

"""Dropout over sequences, drawn cheaply.

torch draws one random number an element, which takes a fifth of a small tagger's time on a
processor; here 64 random bits serve four elements.
Letters: B batch, T time, H features.
"""

from __future__ import annotations

import torch
from torch import Tensor

LEVELS = 2**16


def drop(x: Tensor, share: float, training: bool, variational: bool = False) -> Tensor:
    """Zero a share of the elements of (B, T, H) or (B, H) and scale the others up.

    `variational` draws one mask a sequence and keeps it for all its steps (Gal & Ghahramani
    2016). The share is rounded to 1/65536. Returns `x` itself when not training.
    """
    if not training or share <= 0:
        return x
    shape = (x.shape[0], 1, *x.shape[2:]) if variational and x.dim() == 3 else x.shape
    return x * _mask(shape, share, x)


class Dropper:
    """Drops at several places of a sequence that is run step by step, (B, 1, H) at a time.

    `variational` keeps each place's mask for the sequence, as `drop` does over all steps.
    """

    def __init__(self, share: float, training: bool, variational: bool = False) -> None:
        self.share, self.training, self.variational = share, training, variational
        self._masks: dict[str, Tensor] = {}

    def __call__(self, place: str, x: Tensor) -> Tensor:
        """Return (B, T, H) with a share of its elements dropped."""
        if not self.training or self.share <= 0:
            return x
        if not self.variational:
            return drop(x, self.share, True)
        if place not in self._masks:
            self._masks[place] = _mask((x.shape[0], 1, *x.shape[2:]), self.share, x)
        return x * self._masks[place]


def _mask(shape: tuple[int, ...], share: float, like: Tensor) -> Tensor:
    count = 1
    for size in shape:
        count *= size
    words = torch.empty(-(-count // 4), dtype=torch.int64, device=like.device)
    draws = words.random_(-(2**63), None).view(torch.int16)[:count]
    dropped = round(share * LEVELS)
    kept = draws >= dropped - LEVELS // 2
    return kept.to(like.dtype).mul_(LEVELS / (LEVELS - dropped)).view(shape)

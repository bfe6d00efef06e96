"""Drawing from a distribution over classes, as the section `decode` asks.

Letters: R rows, V classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

NEVER = float("-inf")


def pick(
    scores: Float[Tensor, "R V"], uniform: Float[Tensor, "R"], options: Mapping[str, Any]
) -> Int[Tensor, "R"]:
    """Return a class for each row, chosen by its random number between 0 and 1.

    `scores` are log-probabilities, in double precision. `options` has `temperature` (0 takes the
    likeliest), `top_k` (0 for all) and `top_p`.
    """
    if options["temperature"] == 0:
        likeliest: Tensor = scores.argmax(dim=-1)
        return likeliest
    chances = _narrowed(scores / options["temperature"], options).softmax(dim=-1)
    reached = chances.cumsum(dim=-1)
    threshold = uniform.unsqueeze(-1) * reached[:, -1:]
    return (reached <= threshold).sum(dim=-1).clamp(max=scores.shape[1] - 1)


def _narrowed(scores: Tensor, options: Mapping[str, Any]) -> Tensor:
    """Return the scores of the classes that may be drawn, −∞ for the others."""
    if options["top_k"]:
        kept = scores.topk(min(options["top_k"], scores.shape[-1]), dim=-1).values[:, -1:]
        scores = scores.masked_fill(scores < kept, NEVER)
    if options["top_p"] < 1:
        ordered, order = scores.sort(dim=-1, descending=True, stable=True)
        chances = ordered.softmax(dim=-1)
        before = chances.cumsum(dim=-1) - chances
        out = torch.zeros_like(before, dtype=torch.bool).scatter(
            1, order, before >= options["top_p"]
        )
        scores = scores.masked_fill(out, NEVER)
    return scores

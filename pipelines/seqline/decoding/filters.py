"""Which tokens may come next.

Letters: R rows, V tokens, t tokens written so far.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from seqline_plugins.task import SearchTokens

NEVER = float("-inf")


def allow(
    scores: Tensor,
    written: Tensor,
    limits: Tensor,
    tokens: SearchTokens,
    options: Mapping[str, Any],
) -> Tensor:
    """Return the log-probabilities (R, V) with −∞ for each token that may not come next.

    `written` (R, t) is what each row has; at its limit (R,) a row can only end.
    """
    scores = scores.clone()
    count, end = written.shape[1], tokens.end
    scores[:, list(tokens.never)] = NEVER
    if count < options["min_length"]:
        scores[:, end] = torch.where(limits > count, NEVER, scores[:, end])
    size = options["no_repeat_ngram"]
    if size:
        _block_repeats(scores, written, size, end)
    ending = (limits <= count).unsqueeze(-1)
    others = torch.arange(scores.shape[1], device=scores.device) != end
    return scores.masked_fill_(ending & others, NEVER)


def _block_repeats(scores: Tensor, written: Tensor, size: int, end: int) -> None:
    """Forbid each token that would make n in a row that the row has already."""
    count = written.shape[1]
    if count < size:
        return
    grams = written.unfold(1, size, 1)  # (R, t − n + 1, n)
    last = written[:, count - size + 1 :].unsqueeze(1)
    again = (grams[:, :, :-1] == last).all(dim=-1)
    row, place = again.nonzero(as_tuple=True)
    repeated = grams[row, place, -1]
    kept = repeated != end
    scores[row[kept], repeated[kept]] = NEVER

"""Which tokens may come next, and the likeliest of them.

Letters: R rows, V tokens, t tokens written so far, C candidates.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from seqline_plugins.recurrence.generated import rows
from seqline_plugins.task.encoding import SearchTokens

NEVER = float("-inf")


def forbid(
    scores: Tensor,
    written: Tensor,
    limits: Tensor,
    tokens: SearchTokens,
    options: Mapping[str, Any],
) -> None:
    """Set the log-probability (R, V) of each token that may not come next to −∞.

    `written` (R, t) is what each row has; at its limit (R,) a row can only end.
    """
    count, end = written.shape[1], tokens.end
    for token in tokens.never:
        scores[:, token] = NEVER
    if tokens.unknown is not None and not options["replace_unknown"]:
        scores[:, tokens.unknown] = NEVER
    if count < options["min_length"]:
        scores[:, end] = torch.where(limits > count, NEVER, scores[:, end])
    size = options["no_repeat_ngram"]
    if size:
        _block_repeats(scores, written, size, end)
    ending = (limits <= count).nonzero().flatten()
    if len(ending):
        kept = scores[ending, end]
        scores[ending] = NEVER
        scores[ending, end] = kept


def likeliest(scores: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Return the highest scores (R, C) of each row (R, V) and their tokens, C = min(count, V)."""
    count = min(count, scores.shape[1])
    if rows.serves(scores):
        return rows.best(scores, count)
    values, tokens = scores.topk(count, dim=1)
    return values, tokens


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

"""Which rows make a batch: sequences of like length together, in an order drawn from the seed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

POOL = 64
"""Batches that are sorted by length together: enough for little padding, few enough for chance."""


def training_batches(
    lengths: Sequence[int],
    *,
    batch_size: int | None,
    batch_tokens: int | None,
    seed: int,
    epoch: int,
) -> list[list[int]]:
    """Return the batches of one epoch, the same for the same seed and epoch.

    Rows are shuffled, sorted by length within pools of batches, cut and shuffled again, so that
    a batch holds sequences of like length and hardly any padding. A batch has `batch_size` rows,
    or as many as fit in `batch_tokens` tokens, padding counted (one row at least).
    """
    sizes = np.asarray(lengths)
    draw = np.random.default_rng([seed, epoch])
    order = draw.permutation(len(sizes))
    rows_at_once = batch_size or max(1, int(batch_tokens or 1) // max(1, int(sizes.mean())))
    pool = POOL * rows_at_once
    batches: list[list[int]] = []
    for start in range(0, len(order), pool):
        rows = order[start : start + pool]
        rows = rows[np.argsort(sizes[rows], kind="stable")]
        batches += _cut(rows, sizes, batch_size, batch_tokens)
    return [batches[index] for index in draw.permutation(len(batches))]


def ordered_batches(lengths: Sequence[int], tokens: int) -> list[list[int]]:
    """Return batches of all rows for prediction, the longest first, `tokens` at most in each."""
    sizes = np.asarray(lengths)
    longest_first = np.argsort(-sizes, kind="stable")
    return _cut(longest_first, sizes, None, tokens)


def _cut(
    rows: np.ndarray, sizes: np.ndarray, batch_size: int | None, batch_tokens: int | None
) -> list[list[int]]:
    if batch_size is not None:
        return [rows[at : at + batch_size].tolist() for at in range(0, len(rows), batch_size)]
    batches: list[list[int]] = []
    current: list[int] = []
    longest = 0
    for row in rows.tolist():
        wider = max(longest, int(sizes[row]), 1)
        if current and wider * (len(current) + 1) > int(batch_tokens or 1):
            batches.append(current)
            current, wider = [], max(int(sizes[row]), 1)
        current.append(row)
        longest = wider
    return [*batches, current] if current else batches

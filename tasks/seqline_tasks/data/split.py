"""Dealing rows into train, validation and test."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar, cast

from seqline_plugins.errors import UserError

Row = TypeVar("Row")
Rows = TypeVar("Rows", bound=Sequence[Any])
SPLITS = ("train", "validation", "test")
DEFAULT = (0.8, 0.1, 0.1)


def deal(
    rows: Sequence[Row], split: Sequence[Any] | None, by: str, seed: int
) -> dict[str, list[Row]]:
    """Deal rows by shares (that add to 1) or by counts, in order or shuffled by `seed`.

    Raises `UserError` naming `data.split` for shares or counts that cannot be dealt.
    """
    shares = list(DEFAULT if split is None else split)
    sizes = sizes_of(shares, len(rows))
    order = list(range(len(rows)))
    if by == "random":
        random.Random(seed).shuffle(order)
    dealt, start = {}, 0
    for name, size in zip(SPLITS, sizes, strict=True):
        dealt[name] = [rows[index] for index in order[start : start + size]]
        start += size
    return dealt


def hold_out(splits: Mapping[str, Rows], what: str) -> dict[str, Rows]:
    """Return the three splits; the last tenth of training is validation where there is none.

    Raises `UserError` where there is one `what` (a sentence, a pair) alone.
    """
    found = dict(splits)
    if "validation" not in found:
        train = found["train"]
        if len(train) < 2:
            raise UserError(f"data.train: one {what} cannot be split; give data.validation.")
        held = max(1, len(train) // 10)
        kept, taken = train[:-held], train[-held:]  # of the kind that was given
        found |= {"train": cast(Rows, kept), "validation": cast(Rows, taken)}
    return {name: found[name] for name in SPLITS}


def sizes_of(shares: list[Any], count: int) -> list[int]:
    """Return how many of `count` rows each split gets, by shares or by counts.

    Raises `UserError` naming `data.split` for what cannot be dealt.
    """
    expected = "expected three shares that add to 1, or three row counts"
    if len(shares) != 3 or any(type(share) not in (int, float) for share in shares):
        raise UserError(f"data.split: found {shares}, {expected}.")
    if any(share < 0 for share in shares):
        raise UserError(f"data.split: found {shares}, {expected}; none may be negative.")
    if all(isinstance(share, int) for share in shares) and sum(shares) != 1:
        if sum(shares) > count:
            raise UserError(f"data.split: found {shares}, but there are only {count} rows.")
        sizes = [int(share) for share in shares]
    elif abs(sum(shares) - 1) > 1e-6:
        raise UserError(f"data.split: found {shares}, which add to {sum(shares):g}; {expected}.")
    else:
        validation, test = round(shares[1] * count), round(shares[2] * count)
        sizes = [count - validation - test, validation, test]
    for name, size in zip(SPLITS, sizes, strict=True):
        if size < 1:
            raise UserError(f"data.split: {shares} of {count} rows leaves none for {name}.")
    return sizes

"""Rows dealt into train, validation and test."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqline_plugins import UserError
from seqline_tasks.data.split import deal

NAMES = ["train", "validation", "test"]


def sizes(count: int, split: Any, by: str = "order", seed: int = 0) -> list[int]:
    return [len(rows) for rows in deal(range(count), split, by, seed).values()]


def test_in_order_the_last_tenth_is_the_test() -> None:
    dealt = deal(range(20), None, "order", 0)
    assert list(dealt) == NAMES
    assert dealt == {"train": [*range(16)], "validation": [16, 17], "test": [18, 19]}


@given(st.integers(10, 500), st.integers(0, 99))
@settings(deadline=None, max_examples=30)
def test_every_row_is_dealt_once_and_shuffled_by_the_seed(count: int, seed: int) -> None:
    dealt = deal(range(count), [0.6, 0.2, 0.2], "random", seed)
    assert sorted(row for rows in dealt.values() for row in rows) == list(range(count))
    assert deal(range(count), [0.6, 0.2, 0.2], "random", seed) == dealt
    assert deal(range(count), [0.6, 0.2, 0.2], "random", seed + 1) != dealt


def test_counts_take_that_many_rows_and_leave_the_rest() -> None:
    dealt = deal(range(100), [5, 3, 2], "order", 0)
    assert dealt == {"train": [0, 1, 2, 3, 4], "validation": [5, 6, 7], "test": [8, 9]}


@pytest.mark.parametrize(
    ("count", "split", "found"),
    [
        (10, [0.8, 0.1, 0.1], [8, 1, 1]),
        (19, [0.8, 0.1, 0.1], [15, 2, 2]),
        (3, [0.34, 0.33, 0.33], [1, 1, 1]),
        (7, [0.5, 0.25, 0.25], [3, 2, 2]),
    ],
)
def test_shares_are_rounded_and_training_takes_the_rest(
    count: int, split: list[float], found: list[int]
) -> None:
    assert sizes(count, split) == found


@pytest.mark.parametrize(
    ("split", "message"),
    [
        ([0.9, 0.1], r"found \[0.9, 0.1\], expected three shares that add to 1"),
        ([0.5, 0.1, 0.1], "which add to 0.7"),
        ([0.8, 0.3, -0.1], "none may be negative"),
        ([60, 30, 30], "there are only 100 rows"),
        (["a", "b", "c"], "expected three shares"),
        ([True, 1, 1], "expected three shares"),
        ([98, 2, 0], "leaves none for test"),
        ([1, 0, 0], "leaves none for validation"),
        ([0.999, 0.0005, 0.0005], "leaves none for validation"),
    ],
)
def test_what_cannot_be_dealt_is_refused(split: list[Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        sizes(100, split)


def test_too_few_rows_are_refused() -> None:
    with pytest.raises(UserError, match="of 2 rows leaves none for"):
        sizes(2, None)

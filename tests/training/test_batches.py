"""Batches: every row once an epoch, drawn from the seed, of like length, within the bound."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqline.training.batches import EVEN, ordered_batches, training_batches

lengths_of_rows = st.lists(st.integers(0, 40), min_size=1, max_size=120)


def batches_of(lengths: list[int], **options: int | None) -> list[list[int]]:
    given = {"batch_size": None, "batch_tokens": None, "seed": 0, "epoch": 0, **options}
    return training_batches(lengths, **given)


@given(lengths_of_rows, st.integers(1, 50), st.integers(1, 200), st.integers(0, 9))
@settings(deadline=None, max_examples=50)
def test_every_row_stands_in_one_batch_an_epoch(
    lengths: list[int], size: int, tokens: int, epoch: int
) -> None:
    for options in ({"batch_size": size}, {"batch_tokens": tokens}):
        batches = batches_of(lengths, epoch=epoch, **options)
        assert sorted(row for batch in batches for row in batch) == list(range(len(lengths)))
        assert all(batches)


@given(lengths_of_rows, st.integers(1, 50))
@settings(deadline=None, max_examples=30)
def test_batch_size_is_kept_by_all_but_the_last_of_a_pool(lengths: list[int], size: int) -> None:
    sizes = [len(batch) for batch in batches_of(lengths, batch_size=size)]
    assert max(sizes) <= size
    assert sum(one < size for one in sizes) <= 1 + len(lengths) // (64 * size)


@given(lengths_of_rows, st.integers(1, 200))
@settings(deadline=None, max_examples=50)
def test_batch_tokens_counts_the_padding_and_lets_one_row_be_longer(
    lengths: list[int], tokens: int
) -> None:
    for batches in (batches_of(lengths, batch_tokens=tokens), ordered_batches(lengths, tokens)):
        for batch in batches:
            padded = len(batch) * max(1, *(lengths[row] for row in batch), 1)
            assert padded <= tokens or len(batch) == 1


def test_by_tokens_the_batches_of_a_pool_have_even_numbers_of_rows() -> None:
    lengths = np.random.default_rng(0).integers(5, 40, size=20_000).tolist()
    sizes = [len(batch) for batch in batches_of(lengths, batch_tokens=1000)]
    uneven = sum(size % EVEN != 0 for size in sizes)
    assert uneven <= -(-len(lengths) // (64 * (1000 // 22)))  # the last of each pool
    assert [len(batch) for batch in batches_of([10] * 100, batch_tokens=70)][:3] == [7, 7, 7]


def test_an_epoch_is_the_same_for_one_seed_and_another_for_others() -> None:
    lengths = list(range(1, 101))
    first = batches_of(lengths, batch_size=7, seed=3, epoch=2)
    assert batches_of(lengths, batch_size=7, seed=3, epoch=2) == first
    assert batches_of(lengths, batch_size=7, seed=4, epoch=2) != first
    assert batches_of(lengths, batch_size=7, seed=3, epoch=3) != first


@pytest.mark.parametrize("options", [{"batch_size": 32}, {"batch_tokens": 600}])
def test_sentences_of_real_lengths_get_hardly_any_padding(options: dict[str, int]) -> None:
    lengths = np.random.default_rng(0).geometric(1 / 16, size=5000).clip(1, 100).tolist()
    batches = batches_of(lengths, **options)
    padded = sum(len(batch) * max(lengths[row] for row in batch) for batch in batches)
    assert sum(lengths) / padded > 0.93
    longest_first = sorted(batches, key=lambda batch: -max(lengths[row] for row in batch))
    assert batches != longest_first


def test_prediction_takes_the_longest_first() -> None:
    assert ordered_batches([2, 5, 1, 5, 3], 10) == [[1, 3], [4, 0, 2]]


def test_a_row_longer_than_the_bound_is_a_batch_of_its_own() -> None:
    assert ordered_batches([3, 50, 4], 10) == [[1], [2, 0]]

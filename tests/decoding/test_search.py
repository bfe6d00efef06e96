"""The search: as good as trying every sentence, the same whatever else is searched for."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from table_writer import END, OPTIONS, TOKENS, TableWriter
from torch import Tensor

from seqline.decoding import Written, write
from seqline.decoding.beam import beam_search

LONGEST = 4


def search(
    writer: TableWriter, inputs: list[int], longest: int = LONGEST, **options: Any
) -> Written:
    lengths = torch.ones(len(inputs), dtype=torch.int64)
    given = {**OPTIONS, "max_length": longest, **options}
    return write(writer, writer.begin(inputs), lengths, TOKENS, given)


def sentence(row: Tensor) -> tuple[int, ...]:
    tokens = row.tolist()
    return tuple(tokens[: tokens.index(END)] if END in tokens else tokens)


def penalized(writer: TableWriter, number: int, one: tuple[int, ...], strength: float) -> float:
    return writer.score(number, one) / ((5 + len(one) + 1) / 6) ** strength


@pytest.mark.parametrize("strength", [0.0, 0.6, 1.0, 2.0])
@pytest.mark.parametrize("seed", range(5))
def test_a_wide_beam_finds_what_trying_every_sentence_finds(seed: int, strength: float) -> None:
    writer = TableWriter(2, 5, seed)
    found = search(writer, [0, 1], beam=3**LONGEST, n_best=4, length_penalty=strength)
    for number in (0, 1):
        tried = [
            (penalized(writer, number, one, strength), one)
            for one in writer.every_sentence(LONGEST)
        ]
        best = sorted(tried, reverse=True)[:4]
        assert [sentence(row) for row in found.tokens[number]] == [one for _, one in best]
        wanted = torch.tensor([score for score, _ in best], dtype=torch.float64)
        torch.testing.assert_close(found.scores[number], wanted)


@pytest.mark.parametrize("strength", [0.0, 1.0])
@pytest.mark.parametrize("beam", [2, 3])
def test_stopping_early_loses_nothing(beam: int, strength: float) -> None:
    """The same narrow beam without the stop: nothing better is found."""
    for seed in range(30):
        writer = TableWriter(1, 6, seed)
        found = search(writer, [0], longest=8, beam=beam, length_penalty=strength)
        wanted = _without_stop(writer, beam, strength, longest=8)
        torch.testing.assert_close(float(found.scores[0, 0]), wanted)


def _without_stop(writer: TableWriter, beam: int, strength: float, longest: int) -> float:
    alive: list[tuple[float, tuple[int, ...]]] = [(0.0, ())]
    best = float("-inf")
    for _ in range(longest + 1):
        grown = []
        for total, one in alive:
            before, last = ((0, 0, *one)[-2:]) if one else (0, 0)
            row, limit = writer.table[0, before, last], len(one) == longest
            allowed = [END] if limit else range(1, len(row))
            grown += [(total + float(row[t]), (*one, t)) for t in allowed]
        grown = sorted(grown, reverse=True)[: 2 * beam]
        for total, one in grown[:beam]:
            if one[-1] == END:
                best = max(best, total / ((5 + len(one)) / 6) ** strength)
        alive = [(total, one) for total, one in grown if one[-1] != END][:beam]
    return best


@pytest.mark.parametrize("seed", range(20))
def test_a_beam_of_one_takes_the_likeliest_token_each_time(seed: int) -> None:
    writer = TableWriter(1, 6, seed)
    row, before, last = [], 0, 0
    while len(row) < LONGEST:
        token = int(writer.table[0, before, last].argmax())
        if token == END:
            break
        row.append(token)
        before, last = last, token
    assert sentence(search(writer, [0]).tokens[0, 0]) == tuple(row)


def test_the_search_ends_before_the_limit_when_nothing_better_can_come() -> None:
    writer = TableWriter(1, 5, seed=0)
    writer.table[:] = torch.log(torch.tensor([0.0, 0.9, 0.05, 0.03, 0.02], dtype=torch.float64))
    found = search(writer, [0], longest=1000, beam=2)
    assert sentence(found.tokens[0, 0]) == ()
    assert writer.rows_asked == 1


@pytest.mark.parametrize("options", [{"beam": 3}, {"sample": True, "n_best": 2}, {"beam": 1}])
def test_the_same_input_gives_the_same_whatever_it_stands_beside(options: dict[str, Any]) -> None:
    writer = TableWriter(6, 7, seed=1)
    together = search(writer, [3, 0, 5, 2, 1, 4], longest=9, **options)
    for place, number in enumerate([3, 0, 5, 2, 1, 4]):
        alone = search(writer, [number], longest=9, **options)
        rows = zip(alone.tokens[0], together.tokens[place], strict=True)
        assert [sentence(a) for a, _ in rows] == [sentence(row) for row in together.tokens[place]]
        assert torch.equal(alone.scores[0], together.scores[place])


def test_each_input_has_its_own_limit() -> None:
    writer = TableWriter(2, 4, seed=0)
    writer.table[..., END] = -50.0
    state = writer.begin([0, 1])
    found = beam_search(writer, state, torch.tensor([2, 5]), TOKENS, OPTIONS)
    assert [len(sentence(row)) for row in found.tokens[:, 0]] == [2, 5]


def test_the_usual_limit_is_twice_the_input_and_ten_more() -> None:
    writer = TableWriter(1, 4, seed=0)
    writer.table[..., END] = -1000.0
    given = {**OPTIONS, "max_length": None}
    found = write(writer, writer.begin([0]), torch.tensor([3]), TOKENS, given)
    assert len(sentence(found.tokens[0, 0])) == 16


@pytest.mark.parametrize("sample", [False, True])
def test_no_sentence_is_shorter_than_asked(sample: bool) -> None:
    writer = TableWriter(1, 5, seed=0)
    writer.table[..., END] = 0.0
    found = search(writer, [0], min_length=3, sample=sample)
    assert len(sentence(found.tokens[0, 0])) >= 3


@pytest.mark.parametrize("size", [1, 2, 3])
def test_no_ngram_is_written_twice(size: int) -> None:
    writer = TableWriter(1, 6, seed=2)
    writer.table[..., END] = -20.0
    row = sentence(search(writer, [0], longest=12, beam=2, no_repeat_ngram=size).tokens[0, 0])
    grams = [row[at : at + size] for at in range(len(row) - size + 1)]
    assert len(grams) == len(set(grams))
    free = sentence(search(writer, [0], longest=12, beam=2).tokens[0, 0])
    repeated = [free[at : at + size] for at in range(len(free) - size + 1)]
    assert len(repeated) > len(set(repeated))  # it would have been, else this says nothing


def test_drawn_tokens_are_as_frequent_as_they_are_likely() -> None:
    writer = TableWriter(1, 5, seed=0)
    found = search(writer, [0], longest=1, sample=True, n_best=4000)
    first = found.tokens[0, :, 0]
    for token in range(1, 5):
        share = float((first == token).double().mean())
        assert share == pytest.approx(float(writer.table[0, 0, 0, token].exp()), abs=0.03)


def test_another_seed_draws_otherwise_and_the_same_seed_the_same() -> None:
    writer = TableWriter(1, 9, seed=0, spread=0.1)
    drawn = [search(writer, [0], longest=20, sample=True, seed=s).tokens for s in (1, 1, 2)]
    assert torch.equal(drawn[0], drawn[1])
    assert drawn[0].shape != drawn[2].shape or not torch.equal(drawn[0], drawn[2])


@pytest.mark.parametrize("narrow", [{"top_k": 2}, {"top_p": 0.6}, {"temperature": 0.01}])
def test_narrowed_draws_take_only_likely_tokens(narrow: dict[str, Any]) -> None:
    writer = TableWriter(1, 6, seed=4, spread=1.0)
    first = search(writer, [0], longest=1, sample=True, n_best=500, **narrow).tokens[0, :, 0]
    chances = writer.table[0, 0, 0].exp()
    ordered = chances.argsort(descending=True).tolist()
    if "top_k" in narrow:
        allowed = ordered[:2]
    elif "top_p" in narrow:
        sums = chances[ordered].cumsum(0)
        allowed = ordered[: int((sums < 0.6).sum()) + 1]
    else:
        allowed = ordered[:1]
    assert set(first.tolist()) == set(allowed)

"""The chain over tags: against all taggings written out, padding, unknown tags, smoothing."""

from __future__ import annotations

import itertools

import pytest
import torch

from seqline_tasks.heads.crf import chain_loss, sums_of

LENGTHS = torch.tensor([4, 2, 1])
TAGS = 3


@pytest.fixture
def drawn() -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(0)
    scores = torch.randn(3, 4, TAGS, generator=draw, dtype=torch.float64) * 2
    return scores, torch.randn(TAGS, TAGS, generator=draw, dtype=torch.float64)


def taggings(scores, transitions, row):
    """Every tagging of a row with its score."""
    steps = int(LENGTHS[row])
    for tags in itertools.product(range(TAGS), repeat=steps):
        moves = sum(transitions[a, b] for a, b in itertools.pairwise(tags))
        yield tags, sum(scores[row, t, tag] for t, tag in enumerate(tags)) + moves


def test_sums_are_those_over_all_taggings(drawn) -> None:
    scores, transitions = drawn
    found = sums_of(scores, transitions, LENGTHS)
    for row in range(3):
        tags, each = zip(*taggings(scores, transitions, row), strict=True)
        chances = torch.stack(each).softmax(dim=0)
        assert float(found.log_z[row]) == pytest.approx(float(torch.stack(each).logsumexp(0)))
        wanted = torch.zeros(4, TAGS, dtype=torch.float64)
        for one, chance in zip(tags, chances, strict=True):
            for t, tag in enumerate(one):
                wanted[t, tag] += chance
        torch.testing.assert_close(found.marginals[row], wanted)


def written_out(scores, transitions, targets, smoothing):
    """The loss by its definition, for autograd."""
    loss = torch.zeros((), dtype=torch.float64)
    for row in range(3):
        pairs = list(taggings(scores, transitions, row))
        every = torch.stack([score for _, score in pairs])
        fits = [
            all(g in (t, -100) for t, g in zip(tags, targets[row].tolist(), strict=False))
            for tags, _ in pairs
        ]
        gold = every[torch.tensor(fits)].logsumexp(0)
        loss = loss + every.logsumexp(0) - (1 - smoothing) * gold - smoothing * every.mean()
    return loss


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_loss_and_gradients_are_those_of_the_definition(drawn, smoothing) -> None:
    targets = torch.tensor([[0, -100, 2, 1], [1, 1, -100, -100], [-100] * 4])
    inputs = [one.clone().requires_grad_() for one in drawn]
    loss = chain_loss(*inputs, LENGTHS, targets, smoothing)
    wanted = written_out(*inputs, targets, smoothing)
    torch.testing.assert_close(loss, wanted)
    for own, other in zip(
        torch.autograd.grad(loss, inputs), torch.autograd.grad(wanted, inputs), strict=True
    ):
        torch.testing.assert_close(own, other)


def test_padding_changes_nothing(drawn) -> None:
    scores, transitions = drawn
    more = torch.cat([scores, torch.full((3, 5, TAGS), 7.0, dtype=torch.float64)], dim=1)
    found, other = (sums_of(one, transitions, LENGTHS) for one in (scores, more))
    torch.testing.assert_close(found.log_z, other.log_z, rtol=0, atol=1e-12)
    torch.testing.assert_close(found.marginals, other.marginals[:, :4], rtol=0, atol=1e-12)
    torch.testing.assert_close(found.pairs, other.pairs, rtol=0, atol=1e-12)


def test_a_thousand_steps_of_great_scores_stay_finite() -> None:
    draw = torch.Generator().manual_seed(0)
    scores = torch.randn(1, 1000, 5, generator=draw) * 300
    moves = torch.randn(5, 5, generator=draw) * 30
    targets = torch.randint(5, (1, 1000), generator=draw)
    scores.requires_grad_()
    loss = chain_loss(scores, moves, torch.tensor([1000]), targets)
    loss.backward()
    assert loss.isfinite() and scores.grad is not None and scores.grad.isfinite().all()

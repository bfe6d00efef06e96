"""The chain over tags: against all taggings written out, padding, unknown tags, smoothing."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
import torch

from seqline.config.compose import compose
from seqline_plugins.errors import UserError
from seqline_tasks.heads.crf import chain_loss, sums_of
from seqline_tasks.pos_tagging.head import TagHead

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
    losses = []
    for row in range(3):
        pairs = list(taggings(scores, transitions, row))
        every = torch.stack([score for _, score in pairs])
        fits = [
            all(g in (t, -100) for t, g in zip(tags, targets[row].tolist(), strict=False))
            for tags, _ in pairs
        ]
        gold = every[torch.tensor(fits)].logsumexp(0)
        losses.append(every.logsumexp(0) - (1 - smoothing) * gold - smoothing * every.mean())
    return torch.stack(losses)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_loss_and_gradients_are_those_of_the_definition(drawn, smoothing) -> None:
    targets = torch.tensor([[0, -100, 2, 1], [1, 1, -100, -100], [-100] * 4])
    inputs = [one.clone().requires_grad_() for one in drawn]
    loss = chain_loss(*inputs, LENGTHS, targets, smoothing)
    wanted = written_out(*inputs, targets, smoothing)
    torch.testing.assert_close(loss, wanted)
    weights = torch.tensor([1.0, 0.5, 2.0], dtype=torch.float64)
    own, other = (torch.autograd.grad(one @ weights, inputs) for one in (loss, wanted))
    for gradient, expected in zip(own, other, strict=True):
        torch.testing.assert_close(gradient, expected)


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
    loss.sum().backward()
    assert loss.isfinite() and scores.grad is not None and scores.grad.isfinite().all()


def test_a_tagger_of_chains_predicts_the_likeliest_tags_and_ignores_padding(
    encode, options
) -> None:
    examples = [
        {"words": ["the", "dog"], "tags": ["DET", "NOUN"]},
        {"words": ["dog", "barks", "now", "."], "tags": ["NOUN", "VERB", None, "PUNCT"]},
    ]
    encoding, split = encode(examples)
    torch.manual_seed(0)
    config = replace(options(), crf=True)
    head = TagHead(config, encoding, 6, {"label_smoothing": 0.1}).double().eval()
    torch.nn.init.normal_(head.transitions, std=2)
    batch, hidden = split.batch([0, 1]), torch.randn(2, 4, 6, dtype=torch.float64)
    found = head.probabilities(hidden, batch["lengths"])
    alone = head.probabilities(hidden[:1, :2])
    torch.testing.assert_close(found[:1, :2], alone, rtol=0, atol=1e-12)
    torch.testing.assert_close(found[1].sum(dim=-1), torch.ones(4, dtype=torch.float64))
    assert torch.equal(head.predict(hidden, batch["lengths"]), found.argmax(dim=-1))
    loss, count = head.loss(hidden, batch)
    torch.testing.assert_close(head.step_losses(hidden, batch).sum(), loss)
    assert int(count) == 5


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            ["task.online=true", "architecture.bidirectional=false"],
            "task.crf: found true with task.o",
        ),
        (["loss.backward=step"], "loss.backward: found step, but with task.crf=true"),
    ],
)
def test_what_a_chain_cannot_do_is_refused_when_composed(given, said) -> None:
    asked = ["task=pos_tagging", "architecture=many_to_many", "cell=gru", "task.crf=true"]
    with pytest.raises(UserError, match=said):
        compose([*asked, *given])

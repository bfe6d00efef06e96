"""Keys of a frame: the likelihood against the papers' formulas, drawing, greediness, learning."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import Tensor

from seqline_tasks.heads.keys import Keys

H, K, U = 4, 5, 3
OPTIONS = {"temperature": 1.0}
each_chain = pytest.mark.parametrize("units", [0, U])


def make(units: int, keys: int = K) -> Keys:
    torch.manual_seed(0)
    head = Keys(H, keys, units).double()
    torch.nn.init.normal_(head.scores.bias)
    return head.eval()


def by_hand(head: Keys, h: Tensor, v: Tensor) -> float:
    """−log p of one frame, key by key, with plain numbers: NADE's equations as they are printed."""
    rows = zip(head.scores.weight.detach(), head.scores.bias.detach(), strict=True)
    scores = [float(w @ h) + float(b) for w, b in rows]
    b, c = scores[: head.keys], scores[head.keys :]
    total = 0.0
    for k in range(head.keys):
        score = b[k]
        for u in range(head.units):
            heard = c[u] + sum(float(v[j]) * float(head.heard.detach()[j, u]) for j in range(k))
            score += float(head.told.detach()[k, u]) / (1 + math.exp(-heard))
        p = 1 / (1 + math.exp(-score))
        total -= math.log(p if v[k] == 1 else 1 - p)
    return total


@each_chain
def test_the_loss_is_the_formula_of_the_papers(units: int) -> None:
    head = make(units)
    hidden = torch.randn(2, 3, H, dtype=torch.float64)
    keys = (torch.rand(2, 3, K) < 0.5).double()
    keys[0, 0] = 0
    keys[0, 1] = 1
    found = head.losses(hidden, keys).detach()
    for place in itertools.product(range(2), range(3)):
        assert float(found[place]) == pytest.approx(by_hand(head, hidden[place], keys[place]))


@each_chain
def test_the_probabilities_of_all_frames_there_can_be_add_up_to_one(units: int) -> None:
    head = make(units)
    every = torch.tensor(list(itertools.product((0.0, 1.0), repeat=K)), dtype=torch.float64)
    hidden = torch.randn(H, dtype=torch.float64).expand(len(every), H)
    assert float((-head.losses(hidden, every)).exp().sum()) == pytest.approx(1.0)


@each_chain
def test_frames_are_drawn_as_often_as_they_are_likely(units: int) -> None:
    head, count = make(units, keys=3), 40_000
    hidden = torch.randn(1, H, dtype=torch.float64).expand(count, H)
    drawn = head.sample(hidden, OPTIONS, torch.Generator().manual_seed(0))
    for frame in itertools.product((0.0, 1.0), repeat=3):
        wanted = torch.tensor(frame, dtype=torch.float64)
        likely = float((-head.losses(hidden[:1], wanted[None])).exp())
        share = float((drawn == wanted).all(-1).double().mean())
        assert share == pytest.approx(likely, abs=4 * math.sqrt(0.25 / count))


@each_chain
def test_without_temperature_the_likelier_is_taken_key_by_key(units: int) -> None:
    head = make(units)
    hidden = torch.randn(6, H, dtype=torch.float64)
    greedy = head.sample(hidden, {"temperature": 0}, torch.Generator())
    assert torch.equal(greedy, head.predict(hidden))
    assert torch.equal(greedy, (head.logits(hidden, greedy) > 0).double())


@each_chain
def test_the_same_seed_draws_the_same_and_a_low_temperature_the_likelier(units: int) -> None:
    head = make(units)
    hidden = torch.randn(50, H, dtype=torch.float64)
    first, again, other = (
        head.sample(hidden, OPTIONS, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    cold = head.sample(hidden, {"temperature": 1e-6}, torch.Generator().manual_seed(1))
    assert torch.equal(cold, head.predict(hidden))


def test_a_chain_learns_what_single_keys_cannot_tell() -> None:
    frames = torch.tensor([[1.0, 1, 0, 0, 0], [0, 0, 0, 1, 1]]).repeat(8, 1)
    hidden = torch.zeros(len(frames), H)
    found = {}
    for units in (0, 8):
        torch.manual_seed(0)
        head = Keys(H, K, units)
        optimizer = torch.optim.Adam(head.parameters(), lr=0.1)
        for _ in range(150):
            optimizer.zero_grad()
            head.losses(hidden, frames).mean().backward()
            optimizer.step()
        found[units] = float(head.losses(hidden, frames).mean())
    assert found[0] == pytest.approx(4 * math.log(2), abs=0.05)
    assert found[8] == pytest.approx(math.log(2), abs=0.05)


def test_gradients_of_the_chain_are_those_of_differences() -> None:
    head = make(U)
    hidden = torch.randn(2, H, dtype=torch.float64, requires_grad=True)
    keys = torch.tensor([[1.0, 0, 1, 1, 0], [0, 0, 0, 0, 1]], dtype=torch.float64)
    parameters = [hidden, head.heard, head.told]
    assert torch.autograd.gradcheck(lambda *_: head.losses(hidden, keys), parameters)

"""Strokes of a pen: the density against scipy's, what is drawn against its moments."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats
import torch
from torch import Tensor

from seqline_tasks.heads.strokes import END, Strokes

H, M = 3, 4


def make(components: int = M, smallest: float = 0.05) -> Strokes:
    torch.manual_seed(0)
    head = Strokes(H, components, smallest).double()
    torch.nn.init.normal_(head.scores.weight)
    torch.nn.init.normal_(head.scores.bias)
    return head.eval()


def parameters_of(head: Strokes, h: Tensor) -> dict[str, np.ndarray]:
    """The mixture's parameters, worked out from the raw scores with numpy."""
    scores = (head.scores.weight @ h + head.scores.bias).detach().numpy()
    m = head.components
    shares = np.exp(scores[:m]) / np.exp(scores[:m]).sum()
    pens = np.exp(scores[6 * m :]) / np.exp(scores[6 * m :]).sum()
    return {
        "shares": shares,
        "means": scores[m : 3 * m].reshape(m, 2),
        "spreads": head.smallest + np.exp(scores[3 * m : 5 * m].reshape(m, 2)),
        "correlations": 0.99 * np.tanh(scores[5 * m : 6 * m]),
        "pens": pens,
    }


def covariance(of: dict[str, np.ndarray], j: int) -> np.ndarray:
    x, y = of["spreads"][j]
    both = of["correlations"][j] * x * y
    return np.array([[x * x, both], [both, y * y]])


def test_the_density_is_scipys_mixture_of_normals() -> None:
    head = make()
    hidden = torch.randn(2, 5, H, dtype=torch.float64)
    offsets = torch.randn(2, 5, 2, dtype=torch.float64)
    pens = torch.randint(0, 3, (2, 5))
    offset_losses, pen_losses = head.losses(hidden, offsets, pens)
    for row in range(2):
        for step in range(5):
            of = parameters_of(head, hidden[row, step])
            density = sum(
                of["shares"][j]
                * scipy.stats.multivariate_normal.pdf(
                    offsets[row, step].numpy(), of["means"][j], covariance(of, j)
                )
                for j in range(M)
            )
            assert float(offset_losses[row, step]) == pytest.approx(-math.log(density))
            wanted = -math.log(of["pens"][int(pens[row, step])])
            assert float(pen_losses[row, step]) == pytest.approx(wanted)


@pytest.mark.parametrize("temperature", [1.0, 0.4])
def test_what_is_drawn_has_the_moments_of_the_mixture(temperature: float) -> None:
    head, count = make(), 60_000
    h = torch.randn(H, dtype=torch.float64)
    of = parameters_of(head, h)
    draw = torch.Generator().manual_seed(0)
    drawn = head.sample(h.expand(count, H), {"temperature": temperature}, draw).detach()
    shares, pens = (of[name] ** (1 / temperature) for name in ("shares", "pens"))
    shares, pens = shares / shares.sum(), pens / pens.sum()
    mean = shares @ of["means"]
    second = sum(
        shares[j] * (temperature * covariance(of, j) + np.outer(of["means"][j], of["means"][j]))
        for j in range(M)
    )
    wanted = second - np.outer(mean, mean)
    offsets = drawn[:, :2].numpy()
    spread = math.sqrt(wanted.trace() / count)
    np.testing.assert_allclose(offsets.mean(0), mean, atol=5 * spread)
    np.testing.assert_allclose(np.cov(offsets.T), wanted, atol=0.05 * wanted.trace())
    shown = np.bincount(drawn[:, 2].long().numpy(), minlength=3) / count
    np.testing.assert_allclose(shown, pens, atol=0.01)


def test_without_temperature_the_likeliest_component_and_pen_are_taken() -> None:
    head = make()
    hidden = torch.randn(7, H, dtype=torch.float64)
    drawn = head.sample(hidden, {"temperature": 0}, torch.Generator())
    for row in range(7):
        of = parameters_of(head, hidden[row])
        np.testing.assert_allclose(drawn[row, :2].detach(), of["means"][of["shares"].argmax()])
        assert int(drawn[row, 2]) == of["pens"].argmax()


def test_the_same_seed_draws_the_same() -> None:
    head = make()
    hidden = torch.randn(9, H, dtype=torch.float64)
    first, again, other = (
        head.sample(hidden, {"temperature": 1.0}, torch.Generator().manual_seed(seed))
        for seed in (3, 3, 4)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_offsets_that_recur_exactly_do_not_let_the_density_rise_without_end() -> None:
    torch.manual_seed(0)
    head = Strokes(H, 1, smallest=0.1)
    hidden, offsets = torch.zeros(8, H), torch.full((8, 2), 0.5)
    pens = torch.full((8,), END)
    optimizer = torch.optim.Adam(head.parameters(), lr=0.1)
    lowest = math.inf
    for _ in range(400):
        optimizer.zero_grad()
        of_offsets, of_pens = (part.mean() for part in head.losses(hidden, offsets, pens))
        lowest = min(lowest, of_offsets.item())
        (of_offsets + of_pens).backward()
        optimizer.step()
    bound = math.log(2 * math.pi * 0.1**2) + 0.5 * math.log(1 - 0.99**2)
    assert bound - 1e-3 <= lowest < bound + 0.2


def test_gradients_are_those_of_differences() -> None:
    head = make(2)
    hidden = torch.randn(3, H, dtype=torch.float64, requires_grad=True)
    offsets, pens = torch.randn(3, 2, dtype=torch.float64), torch.tensor([0, 1, 2])
    assert torch.autograd.gradcheck(lambda h: head.losses(h, offsets, pens), [hidden])

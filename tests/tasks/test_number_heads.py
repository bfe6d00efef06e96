"""Heads over numbers against formulas written another way."""

from __future__ import annotations

import math

import pytest
import torch
from torch.distributions import Normal

from seqline_tasks.heads.gaussian import Gaussian
from seqline_tasks.heads.quantiles import Quantiles


def test_a_gaussians_loss_is_the_density_of_torchs() -> None:
    torch.manual_seed(0)
    head, hidden, wanted = Gaussian(5, 3).double(), torch.randn(4, 5).double(), torch.randn(4, 3)
    mean = hidden @ head.mean.weight.T + head.mean.bias
    assert head.width is not None
    spread = torch.log1p((hidden @ head.width.weight.T + head.width.bias).exp()) + 1e-3
    expected = -Normal(mean, spread).log_prob(wanted.double())
    torch.testing.assert_close(head.losses(hidden, wanted.double()), expected)


def test_a_fixed_spread_makes_the_loss_half_the_squared_error() -> None:
    head, hidden, wanted = Gaussian(5, 2, spread=1.0), torch.randn(3, 5), torch.randn(3, 2)
    squared = (wanted - head.mean(hidden)).square()
    expected = squared / 2 + math.log(math.sqrt(2 * math.pi))
    torch.testing.assert_close(head.losses(hidden, wanted), expected)
    assert sum(p.numel() for p in head.parameters()) == 5 * 2 + 2


def test_a_gaussians_quantiles_have_their_share_below() -> None:
    head, hidden = Gaussian(5, 2).double(), torch.randn(3, 5).double()
    levels = torch.tensor([0.1, 0.5, 0.8], dtype=torch.float64)
    mean, spread = head(hidden)
    found = head.quantiles(hidden, levels)
    below = Normal(mean.unsqueeze(-1), spread.unsqueeze(-1)).cdf(found)
    torch.testing.assert_close(below, levels.expand(3, 2, 3))


def test_the_quantile_loss_weighs_what_is_above_and_below() -> None:
    head, hidden = Quantiles(4, 2, [0.1, 0.5]), torch.randn(3, 4)
    wanted = torch.randn(3, 2)
    scores = (hidden @ head.scores.weight.T + head.scores.bias).view(3, 2, 2)
    for row in range(3):
        for n in range(2):
            total = 0.0
            for level, z in zip((0.1, 0.5), scores[row, n].tolist(), strict=True):
                y = float(wanted[row, n])
                total += level * (y - z) if y >= z else (1 - level) * (z - y)
            found = float(head.losses(hidden, wanted)[row, n].detach())
            assert found == pytest.approx(2 * total, rel=1e-5)


def test_learned_quantiles_are_those_of_the_data() -> None:
    torch.manual_seed(0)
    head = Quantiles(1, 1, [0.1, 0.5, 0.9])
    data, ones = torch.randn(4000, 1), torch.ones(4000, 1)
    optimizer = torch.optim.Adam(head.parameters(), lr=0.05)
    for _ in range(300):
        optimizer.zero_grad()
        head.losses(ones, data).mean().backward()
        optimizer.step()
    found = head(ones[:1])[0, 0]
    torch.testing.assert_close(found, torch.tensor([-1.2816, 0.0, 1.2816]), atol=0.08, rtol=0)


def test_quantiles_are_read_in_order() -> None:
    head = Quantiles(4, 3, [0.1, 0.5, 0.9])
    assert bool((head(torch.randn(50, 4)).diff(dim=-1) >= 0).all())

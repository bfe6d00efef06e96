"""Dropout drops the share that was asked for, scales up the rest, and is drawn from the seed."""

from __future__ import annotations

import pytest
import torch
from networks import inputs, stack_of

from seqline_plugins.dropout import drop


@pytest.mark.parametrize("share", [0.1, 0.25, 0.5, 0.9])
def test_the_share_is_dropped_and_the_mean_kept(share: float) -> None:
    torch.manual_seed(0)
    x = torch.ones(200, 50, 21)
    dropped = drop(x, share, training=True)
    assert dropped.unique().tolist() == pytest.approx([0.0, 1 / (1 - share)], rel=1e-4)
    assert (dropped == 0).double().mean().item() == pytest.approx(share, abs=0.01)


def test_nothing_is_dropped_outside_training_or_at_share_zero() -> None:
    x = torch.randn(3, 4, 5)
    assert drop(x, 0.5, training=False) is x
    assert drop(x, 0.0, training=True) is x


def test_a_variational_mask_is_the_same_at_every_step() -> None:
    dropped = drop(torch.ones(7, 9, 33), 0.5, training=True, variational=True)
    assert torch.equal(dropped, dropped[:, :1].expand_as(dropped))
    assert not torch.equal(dropped[0], dropped[1])


def test_one_seed_draws_one_mask() -> None:
    masks = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        masks.append(drop(torch.ones(4, 5, 6), 0.5, training=True))
    assert torch.equal(masks[0], masks[1])
    assert not torch.equal(masks[0], masks[2])


def test_dropout_between_layers_acts_in_training_only() -> None:
    stack, x = stack_of({"name": "rnn"}, num_layers=2, dropout=0.5), inputs(2, 4, 3)
    stack.train()
    assert not torch.equal(stack(x)[0], stack(x)[0])
    stack.eval()
    assert torch.equal(stack(x)[0], stack(x)[0])


def test_the_last_layers_output_is_not_dropped() -> None:
    stack = stack_of({"name": "rnn"}, num_layers=1, dropout=0.5).train()
    x = inputs(2, 4, 3)
    assert torch.equal(stack(x)[0], stack(x)[0])

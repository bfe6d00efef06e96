"""Outputs too large for the cache lie in memory used again, and never while someone reads it."""

from __future__ import annotations

import gc
import pickle

import pytest
import torch

from seqline_plugins import RecurrentStack

B, T, I, H = 16, 257, 8, 512


@pytest.fixture
def stack() -> RecurrentStack:
    torch.manual_seed(0)
    return RecurrentStack({"name": "ind_rnn"}, I, H)


def test_memory_waits_for_the_next_outputs_when_nobody_holds_it(stack: RecurrentStack) -> None:
    x = torch.randn(B, T, I)
    place = stack(x)[0].data_ptr()
    gc.collect()
    other = torch.empty(B, T, H)  # torch's allocator would give it the place that is free
    assert other.data_ptr() != place
    assert stack(x)[0].data_ptr() == place


@pytest.mark.parametrize(
    "held",
    [lambda y: y, lambda y: y[3, 5:7], lambda y: y.detach(), lambda y: y.numpy()],
    ids=["whole", "view", "detached", "numpy"],
)
def test_memory_is_not_used_again_while_a_part_is_held(stack: RecurrentStack, held) -> None:  # type: ignore[no-untyped-def]
    with torch.no_grad():
        kept = held(stack(torch.randn(B, T, I))[0])
        before = torch.as_tensor(kept).clone()
        others = [stack(torch.randn(B, T, I))[0].clone() for _ in range(3)]
    gc.collect()
    assert torch.equal(torch.as_tensor(kept), before)
    assert not torch.equal(others[0], others[1])


def test_gradients_read_the_outputs_of_their_own_step(stack: RecurrentStack) -> None:
    one, other = torch.randn(B, T, I, requires_grad=True), torch.randn(B, T, I, requires_grad=True)
    (alone,) = torch.autograd.grad(stack(one)[0].square().sum(), one)
    first = stack(one)[0].square().sum()
    second = stack(other)[0].square().sum()
    (beside,) = torch.autograd.grad(first, one)
    second.backward()
    assert torch.equal(alone, beside)


def test_outputs_are_tensors_as_any(stack: RecurrentStack) -> None:
    outputs, _ = stack(torch.randn(B, T, I, requires_grad=True))
    again = pickle.loads(pickle.dumps(outputs.detach()))
    assert torch.equal(again, outputs)
    assert outputs.is_contiguous()
    assert not outputs._is_view()
    assert outputs.untyped_storage().nbytes() == outputs.nbytes
    outputs.mul_(2)  # as nn.LSTM's, they may be changed where no gradient needs them
    assert torch.equal(again * 2, outputs)

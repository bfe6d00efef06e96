"""Many-to-one: every pooling against its formula; whole, chunks and steps are one computation."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from seqline_plugins.architectures.many_to_one import POOLINGS
from seqline_plugins.build import build_architecture
from seqline_plugins.discovery import installed

B, T, I, H = 4, 7, 3, 5
LENGTHS = [7, 0, 2, 5]
each_pooling = pytest.mark.parametrize("pooling", POOLINGS)


def network(pooling: str, cell: str = "gru", **options: Any) -> Any:
    torch.manual_seed(1)
    choice = {"name": "many_to_one", "cell": {"name": cell}, "hidden_size": H, "pooling": pooling}
    return build_architecture({**choice, **options}, input_size=I).double().eval()


def features(batch: int = B) -> Tensor:
    draw = torch.Generator().manual_seed(3)
    return torch.randn(batch, T, I, generator=draw, dtype=torch.float64)


def pooled_by_hand(net: Any, outputs: Tensor) -> Tensor:
    """One row's outputs (T, H) → its vector, as the papers write it."""
    pooling = net.config.pooling
    if pooling == "last" and net.config.bidirectional:
        return torch.cat([outputs[-1, :H], outputs[0, H:]])
    if pooling == "last":
        return outputs[-1]
    if pooling == "mean":
        return sum(outputs) / len(outputs)
    if pooling == "max":
        return torch.stack([max(column) for column in outputs.T])
    inner, v = net.pooling.inner, net.pooling.score.weight[0]
    scores = [v @ torch.tanh(inner.weight @ h + inner.bias) for h in outputs]
    total = sum(score.exp() for score in scores)
    return sum(score.exp() / total * h for score, h in zip(scores, outputs, strict=True))


@each_pooling
@pytest.mark.parametrize("bidirectional", [False, True])
def test_a_rows_valid_outputs_are_pooled_and_nothing_else(
    pooling: str, bidirectional: bool
) -> None:
    net, x = network(pooling, num_layers=2, bidirectional=bidirectional), features()
    spoilt = x.clone()
    for row, length in enumerate(LENGTHS):
        spoilt[row, length:] = torch.nan
    found, _ = net(spoilt, torch.tensor(LENGTHS))
    assert found.shape == (B, net.output_size) == (B, H * (1 + bidirectional))
    for row, length in enumerate(LENGTHS):
        if length:
            outputs, _ = net.recurrence(x[row : row + 1, :length])
            torch.testing.assert_close(found[row], pooled_by_hand(net, outputs[0]))
        else:
            assert not found[row].any()


@each_pooling
@pytest.mark.parametrize("cell", list(installed("cell")))
def test_steps_and_chunks_equal_the_whole(pooling: str, cell: str) -> None:
    net, x, lengths = network(pooling, cell, num_layers=2), features(), torch.tensor(LENGTHS)
    whole, after = net(x, lengths)
    state = None
    for start in range(0, T, 3):
        part = x[:, start : start + 3]
        left = (lengths - start).clamp(0, part.shape[1])
        chunked, state = net(part, left, state)
    torch.testing.assert_close(chunked, whole, atol=1e-10, rtol=0)
    for name, tensor in after.items():
        torch.testing.assert_close(state[name], tensor, atol=1e-10, rtol=0)
    state = net.initial_state(B)
    for t in range(T):
        stepped, state = net.step(x[:, t], state)
        so_far, _ = net(x[:, : t + 1])
        torch.testing.assert_close(stepped, so_far, atol=1e-10, rtol=0)


@each_pooling
def test_gradients_are_those_of_small_changes(pooling: str) -> None:
    net = network(pooling, bidirectional=True)
    x = features(2).requires_grad_()
    lengths = torch.tensor([T, 3])
    assert torch.autograd.gradcheck(lambda x: net(x, lengths)[0], x)


def test_attention_does_not_overflow_where_scores_are_large() -> None:
    net, x = network("attention"), features()
    with torch.no_grad():
        net.pooling.score.weight.mul_(1e6)
    whole, _ = net(x)
    assert bool(whole.isfinite().all())
    state = net.initial_state(B)
    for t in range(T):
        stepped, state = net.step(x[:, t], state)
    torch.testing.assert_close(stepped, whole)


@each_pooling
def test_chosen_rows_go_on_as_they_would_have(pooling: str) -> None:
    net, x = network(pooling), features()
    whole, _ = net(x)
    _, state = net(x[:, :4])
    rows = torch.tensor([2, 0, 2])
    found, _ = net(x[rows, 4:], None, net.reorder(state, rows))
    torch.testing.assert_close(found, whole[rows])


def test_it_is_causal_in_one_direction_only() -> None:
    one, both = network("mean"), network("mean", bidirectional=True)
    assert one.is_causal(one.config) and not both.is_causal(both.config)
    with pytest.raises(ValueError, match="has no single step"):
        both.step(features()[:, 0], both.initial_state(B))


def test_dropout_falls_on_the_pooled_vector_while_training() -> None:
    net = network("max", hidden_size=64, output_dropout=0.5).train()
    hidden, _ = net(features())
    assert 0.2 < float((hidden == 0).double().mean()) < 0.8
    assert not bool((net.eval()(features())[0] == 0).any())

"""Sequences cut in time: the state goes on from chunk to chunk, the gradient does not."""

from __future__ import annotations

import pytest
import torch

from seqline.config.compose import compose
from seqline.training.batches import Portion, Windows, cut_in_time
from seqline_plugins.errors import UserError

CAUSAL = {"causal": True, "dropout": False, "double": True, "optimizer": "sgd", "lr": 0.1}


def weights_of(training):
    return {n: tensor.clone() for n, tensor in training.model.state_dict().items()}


def test_one_chunk_is_full_backpropagation_to_the_bit(make_training) -> None:
    results = []
    for steps in (None, 8, 50):  # the longest sentence has eight words
        training = make_training(max_epochs=2, bptt_steps=steps, **CAUSAL)
        training.run()
        results.append((weights_of(training), training.at.step))
    for weights, count in results[1:]:
        assert count == results[0][1]
        assert all(torch.equal(weights[n], results[0][0][n]) for n in weights)


def test_a_window_goes_on_with_the_state_and_stops_the_gradient(make_training) -> None:
    training = make_training(max_steps=2, bptt_steps=3, **CAUSAL)
    training.batches = cut_in_time([list(range(8))], training.read.lengths, 3)
    model, rows = training.model, list(range(8))
    before = weights_of(training)
    first, second = (Portion(rows, start, start + 3).batch(training.read) for start in (0, 3))

    hidden, state = model(first)
    loss, count = model.loss(hidden, first)
    gradients = torch.autograd.grad(loss / count, list(model.parameters()), allow_unused=True)
    moved = {}
    for (name, weight), gradient in zip(model.named_parameters(), gradients, strict=True):
        moved[name] = weight - 0.1 * (0 if gradient is None else gradient)
    state = {name: tensor.detach() for name, tensor in state.items()}
    after, _ = torch.func.functional_call(model, moved, (second, state))
    with torch.no_grad():
        for name, weight in model.named_parameters():
            weight.copy_(moved[name])
    wanted = model.loss(model(second, state)[0], second)
    torch.testing.assert_close(model(second, state)[0], after)

    model.load_state_dict(before)
    training.trainer["clip_norm"] = None
    training._update()
    for name, tensor in training.carried.items():
        assert torch.equal(tensor, state[name])
        assert not tensor.requires_grad
    sums = training._gradient(training.batches[1:2])
    assert sums.loss == pytest.approx(wanted[0].item(), abs=1e-12)
    assert sums.targets == int(wanted[1])


def test_no_state_goes_from_one_batch_to_the_next(make_training) -> None:
    training = make_training(max_epochs=1, bptt_steps=3, **CAUSAL)
    starts = [portion.start for portion in training.batches]
    assert starts.count(0) == 5 and max(starts) >= 3
    for portion in training.batches:
        if not portion.goes_on:
            alone = training._gradient([portion])
            training.optimizer.zero_grad()
            training.carried = None
            again = training._gradient([portion])
            assert (again.loss, again.targets) == (alone.loss, alone.targets)
        training.carried = {n: t + 1 for n, t in (training.carried or {}).items()} or None


def test_windows_are_made_when_asked_for() -> None:
    windows = Windows(3, 10, 4)
    assert [(one.start, one.stop) for one in windows] == [(0, 4), (4, 8), (8, 10)]
    assert [one.goes_on for one in windows] == [False, True, True]
    assert windows[1:3] == [windows[1], windows[2]]
    assert list(windows[0].rows) == [0, 1, 2]
    assert len(Windows(3, 10**12, 4)) == 10**12 // 4


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["trainer.bptt_steps=0"], "trainer.bptt_steps: found 0, expected a whole number, at"),
        (["trainer.bptt_steps=5"], "Set architecture.bidirectional=false"),
        (
            ["trainer.bptt_steps=5", "task=translation", "architecture=encoder_decoder"],
            "architecture=encoder_decoder has no output for every step",
        ),
    ],
)
def test_what_cannot_be_cut_is_refused(overrides: list[str], said: str) -> None:
    with pytest.raises(UserError, match=said):
        compose(overrides)

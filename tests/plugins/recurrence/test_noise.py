"""A cell's noise is drawn from the seed while training, and is its mean at any other time."""

from __future__ import annotations

import pytest
import torch
from networks import assert_close, inputs, results, stack_of
from torch import Tensor, sigmoid, tanh

from seqline_plugins import Noise

ZONEOUT = {"name": "zoneout"}
CLOSE = 1e-10


def stays(values: Tensor) -> Tensor:
    """Return where a value is its step before's, (B, T − 1, H)."""
    return values[:, 1:] == values[:, :-1]


def drawn(seed: int, mode: bool = True) -> Tensor:
    stack = stack_of(ZONEOUT).train(mode)
    torch.manual_seed(seed)
    return stack(inputs(2, 9, 3))[0]


def test_units_are_kept_with_the_chance_that_was_declared() -> None:
    output, _ = stack_of(ZONEOUT, hidden_size=50)(inputs(20, 60, 3))
    assert stays(output).double().mean().item() == pytest.approx(0.25, abs=0.01)
    assert not stays(stack_of(ZONEOUT).eval()(inputs(2, 9, 3))[0]).any()


def test_every_row_step_and_unit_has_its_own_draw() -> None:
    kept = stays(stack_of(ZONEOUT, hidden_size=50)(inputs(20, 60, 3))[0])
    for dimension in range(3):
        first, second = (kept.select(dimension, place) for place in (0, 1))
        assert not torch.equal(first, second)


def test_one_seed_draws_one_noise() -> None:
    assert torch.equal(drawn(1), drawn(1))
    assert not torch.equal(drawn(1), drawn(2))
    assert torch.equal(drawn(1, mode=False), drawn(2, mode=False))


def test_outside_training_noise_is_its_mean() -> None:
    stack, x = stack_of(ZONEOUT).eval(), inputs(2, 5, 3)
    weights = stack.layers[0][0].weights
    (W, W_o), (b, b_o) = weights.W_F.split(4), weights.bias.split(4)
    h = c = torch.zeros(2, 4, dtype=x.dtype)
    found, _ = stack(x)
    for t in range(5):
        n = tanh(x[:, t] @ W.T + h @ weights.W_R.T + b)
        c = 0.5 * c + 0.5 * n
        h = 0.25 * h + 0.75 * sigmoid(x[:, t] @ W_o.T + b_o) * c
        torch.testing.assert_close(found[:, t], h)


def test_outside_training_chunks_and_steps_equal_the_whole() -> None:
    stack, x = stack_of(ZONEOUT, num_layers=2).eval(), inputs(3, 6, 3)
    whole, last = stack(x)
    first, middle = stack(x[:, :4])
    second, after = stack(x[:, 4:], None, middle)
    assert_close(
        {"output": torch.cat([first, second], 1), **after}, {"output": whole, **last}, CLOSE
    )
    state = stack.initial_state(3)
    for t in range(6):
        output, state = stack.step(x[:, t], state)
        assert_close({"output": output}, {"output": whole[:, t]}, CLOSE)


def test_a_single_step_draws_noise_too() -> None:
    stack = stack_of(ZONEOUT, hidden_size=400)
    state = {name: torch.ones_like(tensor) for name, tensor in stack.initial_state(5).items()}
    output, _ = stack.step(inputs(5, 1, 3)[:, 0], state)
    assert (output == 1).double().mean().item() == pytest.approx(0.25, abs=0.03)


def test_garbage_in_the_padding_changes_nothing_while_training() -> None:
    stack, x, lengths = stack_of(ZONEOUT, direction="both"), inputs(3, 5, 3), [5, 0, 2]
    spoilt = x.clone()
    spoilt[1:, 2:] = float("nan")
    spoilt[1] = 1e6
    found = []
    for given in (x, spoilt):
        torch.manual_seed(4)
        found.append(results(stack, given, lengths))
    assert_close(found[1], found[0], 0.0)
    assert not found[0]["output"][1].any() and not found[0]["output"][2, 2:].any()


@pytest.mark.parametrize("chance", [-0.1, 1.5])
def test_a_chance_that_is_none_is_refused(chance: float) -> None:
    with pytest.raises(ValueError, match=f"chance: found {chance}, expected between 0 and 1"):
        Noise(chance)

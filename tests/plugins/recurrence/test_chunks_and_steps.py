"""The whole sequence at once, in chunks with carried state and step by step is one computation."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from networks import ALL_CELLS, assert_close, inputs, random_state, stack_of, title
from torch import Tensor

from seqline_plugins.architecture import Architecture
from seqline_plugins.build import build_architecture

CLOSE = 1e-10
each_cell = pytest.mark.parametrize("cell", ALL_CELLS, ids=title)
STEPS = 7


def network(cell: dict[str, Any], **options: Any) -> Architecture:
    torch.manual_seed(1)
    sizes = {"hidden_size": 4, "num_layers": 2, "bidirectional": False}
    choice = {"name": "many_to_many", "cell": cell, **sizes, **options}
    return build_architecture(choice, input_size=3).double().eval()


def networks(cell: dict[str, Any]) -> list[Any]:
    return [stack_of(cell, num_layers=2), network(cell)]


def by_name(output: Tensor, state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {"output": output, **state}


@each_cell
def test_chunks_with_carried_state_equal_the_whole(cell: dict[str, Any]) -> None:
    x = inputs(3, STEPS, 3)
    for net in networks(cell):
        whole = by_name(*net(x))
        for size in (1, 2, 3):
            outputs, state = [], None
            for start in range(0, STEPS, size):
                output, state = net(x[:, start : start + size], None, state)
                outputs.append(output)
            assert state is not None
            assert_close(by_name(torch.cat(outputs, 1), state), whole, CLOSE)


@each_cell
def test_chunks_of_ragged_rows_equal_the_whole(cell: dict[str, Any]) -> None:
    x, lengths = inputs(4, STEPS, 3), torch.tensor([7, 0, 2, 4])
    for net in networks(cell):
        whole = by_name(*net(x, lengths))
        outputs, state = [], None
        for start in range(0, STEPS, 2):
            chunk = x[:, start : start + 2]
            left = (lengths - start).clamp(0, chunk.shape[1])
            output, state = net(chunk, left, state)
            outputs.append(output)
        assert state is not None
        assert_close(by_name(torch.cat(outputs, 1), state), whole, CLOSE)


@each_cell
def test_steps_equal_the_whole(cell: dict[str, Any]) -> None:
    x = inputs(3, STEPS, 3)
    for net in networks(cell):
        outputs, state = [], net.initial_state(3)
        for t in range(STEPS):
            output, state = net.step(x[:, t], state)
            outputs.append(output)
        assert_close(by_name(torch.stack(outputs, 1), state), by_name(*net(x)), CLOSE)


@each_cell
def test_a_given_state_is_where_the_whole_begins(cell: dict[str, Any]) -> None:
    net, x = stack_of(cell, num_layers=2), inputs(3, STEPS, 3)
    given = random_state(net, 3)
    _, state = net.step(x[:, 0], given)
    rest = by_name(*net(x[:, 1:], None, state))
    whole = by_name(*net(x, None, given))
    assert_close(rest, {**whole, "output": whole["output"][:, 1:]}, CLOSE)


@each_cell
def test_chosen_rows_go_on_as_they_would_have(cell: dict[str, Any]) -> None:
    net, x = network(cell), inputs(3, STEPS, 3)
    whole, _ = net(x)
    _, state = net(x[:, :4])
    rows = torch.tensor([2, 0, 2, 1, 1])
    kept = net.reorder(state, rows)
    assert all(tensor.shape[0] == 5 for tensor in kept.values())
    output, _ = net(x[rows, 4:], None, kept)
    assert_close({"output": output}, {"output": whole[rows, 4:]}, CLOSE)


def test_state_is_a_flat_dict_with_the_rows_first() -> None:
    net = network({"name": "lstm"})
    state = net.initial_state(5)
    assert list(state) == [f"layer{n}.forward.{name}" for n in (0, 1) for name in "hc"]
    assert {tuple(tensor.shape) for tensor in state.values()} == {(5, 4)}
    assert list(net(inputs(5, 2, 3))[1]) == list(state)


def test_a_window_carries_the_inputs_it_will_look_back_on() -> None:
    stack, x = stack_of({"name": "windows"}), inputs(3, 4, 3)
    before = stack.initial_state(3)
    assert list(before) == [f"layer0.forward.{name}" for name in ("h", "c", "past_inputs")]
    name = "layer0.forward.past_inputs"
    assert before[name].shape == (3, 2, 3) and not before[name].any()
    _, after = stack(x, torch.tensor([4, 0, 1]), before)
    assert torch.equal(after[name][0], x[0, 2:])
    assert not after[name][1].any() and not after[name][2, 0].any()
    assert torch.equal(after[name][2, 1], x[2, 0])


def test_a_network_that_reads_the_future_has_no_step() -> None:
    net = network({"name": "gru"}, bidirectional=True)
    with pytest.raises(ValueError, match="has no single step"):
        net.step(inputs(2, 1, 3)[:, 0], net.initial_state(2))


def test_the_output_size_counts_the_directions() -> None:
    assert network({"name": "gru"}).output_size == 4
    both = network({"name": "gru"}, bidirectional=True)
    assert both.output_size == 8
    assert both(inputs(2, 3, 3))[0].shape == (2, 3, 8)


@pytest.mark.parametrize("name", ["lstm", "windows"])
def test_a_backward_layer_is_a_forward_one_on_the_reversed_row(name: str) -> None:
    forward, backward = (stack_of({"name": name}, direction=d) for d in ("forward", "backward"))
    weights = forward.layers[0][0].state_dict()
    backward.layers[0][0].load_state_dict(weights)
    x, lengths = inputs(2, 5, 3), [5, 3]
    turned = x.clone()
    for row, length in enumerate(lengths):
        turned[row, :length] = x[row, :length].flip(0)
    wanted, _ = forward(turned, torch.tensor(lengths))
    found, _ = backward(x, torch.tensor(lengths))
    for row, length in enumerate(lengths):
        assert torch.equal(found[row, :length].flip(0), wanted[row, :length])

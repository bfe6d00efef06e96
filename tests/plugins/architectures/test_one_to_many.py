"""One entity in, a sequence out: steps and wholes agree, and the entity is where it should be."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from seqline_plugins.architectures.one_to_many import OneToMany
from seqline_plugins.build import build_architecture
from seqline_plugins.discovery import installed
from seqline_plugins.errors import UserError

B, U, ENTITY, FED, H = 3, 5, 6, 4, 5
LENGTHS = torch.tensor([5, 1, 3])
CELLS = sorted(installed("cell"))
each_way = pytest.mark.parametrize("way", ["state", "input", "both"])


def make(cell: str = "gru", **options: Any) -> OneToMany:
    torch.manual_seed(0)
    choice = {"name": "one_to_many", "cell": {"name": cell}, "hidden_size": H, **options}
    made = build_architecture(choice, ENTITY, "auto", FED)
    assert isinstance(made, OneToMany)
    return made.double()


def drawn() -> tuple[Tensor, Tensor]:
    torch.manual_seed(1)
    return (
        torch.randn(B, 1, ENTITY, dtype=torch.float64),
        torch.randn(B, U, FED, dtype=torch.float64),
    )


def by_steps(network: OneToMany, fed: Tensor, state: Any) -> tuple[Tensor, Any]:
    outputs = []
    for t in range(fed.shape[1]):
        hidden, state = network.step(fed[:, t], state)
        outputs.append(hidden)
    return torch.stack(outputs, dim=1), state


def assert_same_state(found: Any, wanted: Any) -> None:
    assert found.keys() == wanted.keys()
    for name, tensor in wanted.items():
        torch.testing.assert_close(found[name], tensor, atol=1e-10, rtol=0)


@each_way
@pytest.mark.parametrize("cell", CELLS)
def test_a_whole_output_equals_its_steps(cell: str, way: str) -> None:
    network = make(cell, entity=way, num_layers=2).eval()
    entity, fed = drawn()
    start = network.encode(entity)
    whole, after = network(fed, None, start)
    stepped, last = by_steps(network, fed, start)
    assert whole.shape == (B, U, H) == (B, U, network.output_size)
    torch.testing.assert_close(whole, stepped, atol=1e-10, rtol=0)
    assert_same_state(after, last)


@each_way
@pytest.mark.parametrize("cell", ["lstm", "qrnn"])
def test_chunks_with_carried_state_equal_the_whole(cell: str, way: str) -> None:
    network = make(cell, entity=way).eval()
    entity, fed = drawn()
    start = network.encode(entity)
    whole, after = network(fed, LENGTHS, start)
    outputs, state = [], start
    for at in range(0, U, 2):
        chunk = fed[:, at : at + 2]
        left = (LENGTHS - at).clamp(0, chunk.shape[1])
        output, state = network(chunk, left, state)
        outputs.append(output)
    torch.testing.assert_close(torch.cat(outputs, 1), whole, atol=1e-10, rtol=0)
    assert_same_state(state, after)


@each_way
def test_padding_changes_nothing_and_states_stop_at_a_rows_last_step(way: str) -> None:
    network = make("lstm", entity=way, num_layers=2).eval()
    entity, fed = drawn()
    ended = torch.arange(U) >= LENGTHS.unsqueeze(-1)
    spoilt = fed.masked_fill(ended.unsqueeze(-1), torch.nan)
    together, after = network(spoilt, LENGTHS, network.encode(entity))
    for row in range(B):
        u = int(LENGTHS[row])
        start = network.encode(entity[row : row + 1])
        alone, last = network(fed[row : row + 1, :u], None, start)
        torch.testing.assert_close(together[row : row + 1, :u], alone, atol=1e-10, rtol=0)
        assert bool((together[row, u:] == 0).all())
        for name, tensor in last.items():
            torch.testing.assert_close(after[name][row : row + 1], tensor, atol=1e-10, rtol=0)


@each_way
def test_every_step_hears_of_the_entity(way: str) -> None:
    network = make("lstm", entity=way)
    entity, fed = drawn()
    for t in range(U):
        given = entity.clone().requires_grad_()
        hidden, _ = network(fed, None, network.encode(given))
        hidden[0, t].sum().backward()
        assert given.grad is not None
        assert bool((given.grad[0] != 0).all())
        assert bool((given.grad[1:] == 0).all())


def test_the_initial_state_is_a_map_of_the_entity_for_every_layer() -> None:
    network = make("lstm", entity="state", num_layers=2)
    entity, _ = drawn()
    state = network.encode(entity)
    assert set(state) == {f"layer{n}.forward.{name}" for n in (0, 1) for name in ("h", "c")}
    assert network.bridge is not None
    (linear,) = network.bridge.maps
    wanted = torch.tanh(entity[:, 0] @ linear.weight.T + linear.bias)
    torch.testing.assert_close(torch.cat(list(state.values()), dim=1), wanted)


def test_as_an_input_the_entity_stands_beside_each_fed_step() -> None:
    network = make("gru", entity="input")
    entity, fed = drawn()
    hidden, _ = network(fed, None, network.encode(entity))
    wanted, _ = network.recurrence(torch.cat([fed, entity.expand(-1, U, -1)], dim=-1))
    torch.testing.assert_close(hidden, wanted)


@each_way
def test_without_an_entity_it_begins_from_zero(way: str) -> None:
    network = make("gru", entity=way)
    _, fed = drawn()
    hidden, _ = network(fed)
    stepped, _ = by_steps(network, fed, network.initial_state(B))
    assert bool(hidden.isfinite().all())
    torch.testing.assert_close(hidden, stepped)


@each_way
def test_gradients_are_those_of_the_steps(way: str) -> None:
    entity, fed = drawn()
    found = []
    for stepped in (False, True):
        network = make("peephole_lstm", entity=way, num_layers=2)
        start = network.encode(entity)
        run = by_steps(network, fed, start) if stepped else network(fed, None, start)
        run[0].square().sum().backward()
        found.append({name: p.grad for name, p in network.named_parameters()})
    for name, gradient in found[0].items():
        torch.testing.assert_close(gradient, found[1][name], atol=1e-10, rtol=0)


def test_a_search_may_copy_drop_and_swap_rows() -> None:
    network = make(entity="both").eval()
    entity, fed = drawn()
    rows = torch.tensor([2, 0, 0])
    _, state = network.step(fed[:, 0], network.encode(entity))
    moved, _ = network.step(fed[rows, 1], network.reorder(state, rows))
    alone, _ = network.step(fed[:, 1], state)
    torch.testing.assert_close(moved, alone[rows])


def test_variational_dropout_drops_the_same_features_at_every_step() -> None:
    network = make(variational=True, output_dropout=0.5, hidden_size=32)
    entity, fed = drawn()
    hidden, _ = network(fed, None, network.encode(entity))
    dropped = hidden == 0
    assert bool((dropped == dropped[:, :1]).all())
    assert 0 < int(dropped.sum()) < dropped.numel()


def test_another_word_for_the_entitys_place_is_refused() -> None:
    with pytest.raises(UserError, match="one of state, input, both"):
        make(entity="everywhere")

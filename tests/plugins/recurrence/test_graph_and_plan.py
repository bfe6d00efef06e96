"""The graph's simplification, the cheapest cut, what the tape keeps, and its memory."""

from __future__ import annotations

import itertools
import random
from typing import Any

import pytest
import torch

from seqline_plugins.build import build_cell
from seqline_plugins.cell import GatedCell
from seqline_plugins.recurrence.generated.cut import Network
from seqline_plugins.recurrence.generated.graph import Graph, in_order
from seqline_plugins.recurrence.generated.notation import read
from seqline_plugins.recurrence.generated.plan import Plan, make_plan
from seqline_plugins.recurrence.generated.tape import LEAST, _Piece, _Store, empty
from seqline_plugins.recurrence.generated.trace import trace


def plan_of(name: str, I: int = 3, H: int = 4, **options: Any) -> Plan:
    cell = build_cell({"name": name, **options}, I, H)
    assert isinstance(cell, GatedCell)
    return make_plan(trace(cell, I, H))


def test_equal_nodes_are_one() -> None:
    graph = Graph()
    x, y = graph.leaf("state", "x"), graph.leaf("state", "y")
    assert graph.node("mul", x, y) is graph.node("mul", x, y)
    assert graph.node("mul", x, y) is not graph.node("mul", y, x)
    assert graph.constant(2) is graph.constant(2.0)
    assert graph.node("power", x, value=2.5) is not graph.node("power", x, value=1.5)


def test_what_needs_no_operation_is_none() -> None:
    graph = Graph()
    x, zero, one = graph.leaf("state", "x"), graph.constant(0), graph.constant(1)
    node = graph.node
    same = [node("add", x, zero), node("add", zero, x), node("sub", x, zero), node("div", x, one)]
    same += [node("mul", x, one), node("mul", one, x), node("neg", node("neg", x))]
    assert all(found is x for found in same)
    half = graph.constant(0.5)
    assert node("add", one, half) is graph.constant(1.5)
    assert node("neg", half) is graph.constant(-0.5)


def test_what_would_change_infinities_stays() -> None:
    graph = Graph()
    x, zero = graph.leaf("state", "x"), graph.constant(0)
    assert graph.node("mul", x, zero).op == "mul"  # ∞ · 0 is no number
    assert graph.node("sub", x, x).op == "sub"
    assert graph.node("div", graph.constant(1), zero).op == "div"


def test_shapes_follow_the_widest_operand() -> None:
    graph = Graph()
    total = graph.node("sum", graph.leaf("state", "x"))
    assert total.shape == graph.node("sqrt", total).shape == "number"
    assert graph.node("mul", total, graph.leaf("state", "x")).shape == "vector"
    order = in_order([graph.node("mul", total, total)])
    assert [node.op for node in order] == ["state", "sum", "mul"]


def test_sums_that_are_there_at_once_become_one() -> None:
    graph = Graph()
    u, v, n = (graph.leaf("own", name) for name in "uvn")
    both = graph.node("sum", graph.node("add", u, v))
    size = graph.leaf("inverse_hidden", shape="constant")
    of_u, of_v = graph.node("sum", u), graph.node("sum", v)
    assert graph.node("add", of_u, of_v) is both
    assert graph.node("sub", of_u, of_v) is graph.node("sum", graph.node("sub", u, v))
    means = [graph.node("mul", one, size) for one in (of_u, of_v)]
    assert graph.node("add", *means) is graph.node("mul", both, size)
    assert graph.node("add", means[0], of_v).op == "add"  # each has another factor
    minus = [graph.node("sum", graph.node("neg", one)) for one in (u, v)]
    assert graph.node("add", *minus) is graph.node("neg", both)
    scale = graph.node("sqrt", graph.node("sum", n))
    scaled = [graph.node("sum", graph.node("mul", scale, one)) for one in (u, v)]
    assert graph.node("add", *scaled) is graph.node("mul", both, scale)
    other = graph.node("add", scale, of_u)
    assert graph.node("add", other, of_v) is graph.node("add", scale, both)
    assert graph.node("add", of_u, of_u) is graph.node("mul", of_u, graph.constant(2))


def test_a_sum_does_not_wait_for_a_later_one() -> None:
    graph = Graph()
    u, v = graph.leaf("own", "u"), graph.leaf("own", "v")
    early = graph.node("sum", u)
    centred = graph.node("sub", u, early)
    late = graph.node("sum", graph.node("mul", centred, centred))
    assert graph.node("add", early, late).op == "add"
    parted = graph.node("sum", graph.node("add", u, graph.node("mul", late, v)))
    assert parted is graph.node("add", early, graph.node("mul", graph.node("sum", v), late))
    whole = graph.node("add", centred, graph.node("mul", early, v))  # both wait for `early`
    assert graph.node("sum", whole).args == (whole,)


def cheapest(edges: dict[tuple[int, int], float], count: int) -> float:
    """Return the cost of the cheapest cut between the first and the last place, by trying all."""
    costs = []
    for inside in itertools.product([True, False], repeat=count - 2):
        side = [True, *inside, False]
        costs.append(sum(cost for (a, b), cost in edges.items() if side[a] and not side[b]))
    return min(costs)


def test_cuts_are_the_cheapest_there_are() -> None:
    draw = random.Random(5)
    for _ in range(200):
        count = draw.randint(3, 7)
        pairs = [(a, b) for a in range(count) for b in range(count) if a != b]
        edges = {pair: float(draw.randint(1, 9)) for pair in pairs if draw.random() < 0.5}
        net = Network()
        net.add_edge("unconnected", "places", 1)
        for place in range(count):
            net.add_edge(place, "nowhere", 0)
        for (a, b), cost in edges.items():
            net.add_edge(a, b, cost)
        side = net.side_of(0, count - 1)
        cut = sum(cost for (a, b), cost in edges.items() if a in side and b not in side)
        assert 0 in side and count - 1 not in side
        assert cut == cheapest(edges, count)


KEPT = {
    "rnn": ([], 1),
    "ind_rnn": ([], 1),
    "lstm": (["o", "f", "i", "g", "c"], 5),
    "gru": (["z", "r", "h.candidate", "n"], 4),
    "min_gru": (None, 2),
    "qrnn": (["o", "f", "z", "c"], 4),
}


@pytest.mark.parametrize("name", KEPT)
def test_the_tape_keeps_no_more_than_the_derivative_needs(name: str) -> None:
    plan = plan_of(name)
    kept, slots = KEPT[name]
    assert plan.slots == slots and not plan.numbers
    if kept is not None:
        assert sorted(read(plan).kept) == sorted(kept)
    assert len(set(plan.kept.values())) == len(plan.kept)


def test_a_lstm_computes_only_the_memorys_tanh_again() -> None:
    assert read(plan_of("lstm")).repeated == ["tanh(c)"]


def test_sums_are_kept_as_numbers_and_part_the_passes() -> None:
    plan = plan_of("layer_norm_lstm")
    assert plan.forward_passes == 5 and plan.numbers and len(plan.numbers) < plan.slots
    assert plan.backward_passes == 3
    assert sum(node.op == "sum" for node in plan.forward_order) == 9  # three a normalised vector


def test_what_only_a_later_pass_reads_is_computed_there() -> None:
    plan = plan_of("layer_norm_lstm")
    level = {name: plan.backward_levels[id(n)] for n, name in plan.equations.names.items()
             if id(n) in plan.backward_levels}  # fmt: skip
    assert level["o"] == 0  # the memory's normalisation waits for it
    assert level["f"] == level["i"] == level["g"] == 1
    forward = {name: plan.forward_levels[id(n)] for n, name in plan.equations.names.items()}
    assert forward["f"] < forward["o"] == plan.forward_passes - 1
    assert plan_of("lstm").forward_passes == plan_of("lstm").backward_passes == 1


def test_a_product_of_a_vector_that_the_cell_makes_parts_functions() -> None:
    plan = plan_of("gru", reset_after=False)
    assert len(plan.products) == 2
    assert plan.forward_breaks == {1} and plan.backward_breaks == {1}
    assert [slot >= 0 for slot in plan.operand_slots].count(True) == 1
    assert plan_of("gru").forward_breaks == set()


def test_derivatives_take_the_places_of_what_they_were_made_from() -> None:
    plan = plan_of("lstm")
    assert sorted(plan.grad_slots[0]) == sorted(set(plan.kept.values()) - {plan.state_slots[1]})
    assert plan.fed_slot == plan.fed_grad_slot == 0


def test_a_tape_that_is_given_back_is_used_again() -> None:
    first = empty((LEAST,), torch.float32)
    place = first.data_ptr()
    del first
    again = empty((LEAST,), torch.float32)
    assert again.data_ptr() == place
    other = empty((LEAST,), torch.float32)
    assert other.data_ptr() != place  # both are in use


def test_a_smaller_tape_takes_a_part_of_what_is_free_and_gives_it_back() -> None:
    store = _Store()
    whole = store.take(24 << 20)
    store.give(whole)
    parts = [store.take(size << 20) for size in (5, 11, 8)]
    assert len(store.blocks) == 1
    assert store.most == 24 << 20
    for part in (parts[1], parts[0], parts[2]):
        store.give(part)
    again = store.take(24 << 20)
    assert again.bytes.data_ptr() == whole.bytes.data_ptr()


def test_tapes_are_apart_and_hold_little_more_than_was_in_use_at_once() -> None:
    store, draw = _Store(), random.Random(1)
    held: list[_Piece] = []
    most = 0
    for number in range(400):
        if held and draw.random() < 0.5:
            store.give(held.pop(draw.randrange(len(held))))
        else:
            held.append(store.take(draw.randint(1, 8) << 20))
            held[-1].bytes[:: 1 << 20] = number % 251
        most = max(most, sum(len(piece.bytes) for piece in held))
        spans = sorted((p.bytes.data_ptr(), p.bytes.data_ptr() + len(p.bytes)) for p in held)
        assert all(end <= start for (_, end), (start, _) in itertools.pairwise(spans))
    assert store.most == most
    while held:
        store.give(held.pop())
    sizes = [len(block.bytes) for block in store.blocks]
    assert most <= sum(sizes) < most + min(sizes)
    assert all(block.is_free for block in store.blocks)


def test_what_the_garbage_collector_gives_back_meanwhile_is_taken_later() -> None:
    store = _Store()
    piece = store.take(1 << 20)
    with store.lock:  # as within `take`
        store.give(piece)
    assert store.take(1 << 20).bytes.data_ptr() == piece.bytes.data_ptr()


def test_a_tape_has_room_for_what_was_asked_and_wastes_little() -> None:
    for count in (1 << 20, (1 << 20) + 1, (3 << 20) + 7, 4_000_003):
        store = _Store()
        assert len(store.take(count).bytes) - count in range(64)
        (block,) = store.blocks
        assert count <= len(block.bytes) <= 1.26 * count
    assert empty((10,), torch.float32).untyped_storage().nbytes() == 40

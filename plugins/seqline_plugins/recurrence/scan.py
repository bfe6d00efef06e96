"""The parallel scan: a cell that is linear in its state, all of time at once.

Where h_t = a_t ⊙ h_{t-1} + b_t and neither a_t nor b_t depends on the state (minGRU, minLSTM, SRU
without peepholes, QRNN), two steps one after the other are such a step again:

    (a, b) then (a', b')  =  (a' ⊙ a, a' ⊙ b + b')

so that all of them are worked out in about 2 log₂ T rounds (Blelloch 1990, "Prefix sums and their
applications"). Nothing is divided or taken to its logarithm, so that coefficients that vanish do
no harm. Which cells are linear is seen in the graph of their equations.
Letters: B batch, T time, H hidden size.
"""

from __future__ import annotations

from weakref import WeakKeyDictionary

import torch
from jaxtyping import Float, Int
from torch import Tensor

from seqline_plugins.cell import GatedCell
from seqline_plugins.recurrence.generated.graph import Equations, Node, in_order
from seqline_plugins.recurrence.generated.interpret import evaluate
from seqline_plugins.recurrence.generated.operations import UntraceableError
from seqline_plugins.recurrence.generated.parameters import own_parameter
from seqline_plugins.recurrence.generated.trace import trace
from seqline_plugins.recurrence.weights import GateWeights

State = dict[str, Tensor]
Line = tuple[Node, Node]
"""The coefficients a and b of a ⊙ state + b."""
Found = tuple[Equations, tuple[str, Line] | None]
_found: WeakKeyDictionary[GatedCell, dict[tuple[int, int], Found]] = WeakKeyDictionary()


def linear_in_state(equations: Equations) -> tuple[str, Line] | None:
    """Return the one state that is read, and its coefficients; None where it is not linear."""
    order = in_order(equations.new.values())
    read = [str(node.value) for node in order if node.op == "state"]
    if len(read) != 1 or any(node.op in ("product", "sum") for node in order):
        return None
    line = _line(equations, equations.new[read[0]], {})
    return None if line is None else (read[0], line)


def _line(equations: Equations, node: Node, known: dict[int, Line | None]) -> Line | None:
    if id(node) not in known:
        known[id(node)] = _line_of(equations, node, known)
    return known[id(node)]


def _line_of(equations: Equations, node: Node, known: dict[int, Line | None]) -> Line | None:
    graph = equations.graph
    zero = graph.constant(0)
    if node.op == "state":
        return graph.constant(1), zero
    lines = [_line(equations, arg, known) for arg in node.args]
    given = [line for line in lines if line is not None]
    if len(given) < len(lines):
        return None
    if all(a is zero for a, _ in given):
        return zero, node
    if node.op in ("add", "sub"):
        (a, b), (c, d) = given
        return graph.node(node.op, a, c), graph.node(node.op, b, d)
    if node.op == "neg":
        return graph.node("neg", given[0][0]), graph.node("neg", given[0][1])
    if node.op in ("mul", "div") and given[-1][0] is zero:
        return _each(equations, node.op, given[0], node.args[1])
    if node.op == "mul" and given[0][0] is zero:
        return _each(equations, "mul", given[1], node.args[0])
    if node.op == "where" and given[0][0] is zero:
        (_, mask), (a, b), (c, d) = given
        return graph.node("where", mask, a, c), graph.node("where", mask, b, d)
    return None


def _each(equations: Equations, op: str, line: Line, other: Node) -> Line:
    a, b = (equations.graph.node(op, one, other) for one in line)
    return a, b


def is_linear(cell: GatedCell, input_size: int, hidden_size: int) -> bool:
    """Whether the scan can run a cell."""
    try:
        return _traced(cell, input_size, hidden_size)[1] is not None
    except UntraceableError:
        return False


def _traced(cell: GatedCell, input_size: int, hidden_size: int) -> Found:
    """Return a cell's equations and what is linear in them, found once a cell: every call asks."""
    sizes = (input_size, hidden_size)
    known = _found.setdefault(cell, {})
    if sizes not in known:
        equations = trace(cell, *sizes)
        known[sizes] = equations, linear_in_state(equations)
    return known[sizes]


def run_scan(
    cell: GatedCell,
    weights: GateWeights,
    x: Float[Tensor, "B T I"],
    lengths: Int[Tensor, "B"] | None,
    state: State,
) -> tuple[Float[Tensor, "B T H"], State]:
    """Run a linear cell over time; equal to the reference loop."""
    equations, found = _traced(cell, weights.input_size, weights.hidden_size)
    assert found is not None  # the choice of kernel asked `is_linear`
    name, (a_node, b_node) = found
    fed = weights.feed_of_program(x, state)
    read: dict[tuple[str, str], Tensor] = {("input", ""): x}
    read |= {("fed", gate): part for gate, part in zip(equations.gates, fed, strict=True)}
    read |= {("own", own): own_parameter(weights, own) for own in equations.owns}
    read |= {("noise", noise): draws for noise, draws in weights.draw_noise(x).items()}
    H = weights.hidden_size
    values = evaluate(in_order([a_node, b_node]), {}, read, like=x, hidden_size=H)
    shape = (*x.shape[:2], H)
    a, b = values[id(a_node)].expand(shape), values[id(b_node)].expand(shape)
    if lengths is not None:
        valid = (torch.arange(x.shape[1], device=x.device) < lengths.unsqueeze(-1)).unsqueeze(-1)
        a, b = torch.where(valid, a, 1), torch.where(valid, b, 0)
    every_a, every_b = scan(a, b)
    after = every_a * state[name].unsqueeze(1) + every_b
    read["state", name] = torch.cat([state[name].unsqueeze(1), after[:, :-1]], dim=1)
    new = evaluate(in_order(equations.new.values()), {}, read, like=x, hidden_size=H)
    sequences = {n: new[id(node)].expand(shape) for n, node in equations.new.items()}
    return _ends(sequences | {name: after}, lengths, {n: state[n] for n in cell.state})


def _ends(sequences: State, lengths: Int[Tensor, "B"] | None, state: State) -> tuple[Tensor, State]:
    """Return the output, zero past each row's end, and the states there."""
    output = sequences[next(iter(state))]
    if lengths is None:
        return output, {name: sequence[:, -1] for name, sequence in sequences.items()}
    steps = torch.arange(output.shape[1], device=output.device)
    output = output * (steps < lengths.unsqueeze(-1)).unsqueeze(-1)
    place = (lengths - 1).clamp(min=0).view(-1, 1, 1).expand(-1, 1, output.shape[-1])
    begun = (lengths > 0).unsqueeze(-1)
    last = {name: sequence.gather(1, place).squeeze(1) for name, sequence in sequences.items()}
    return output, {name: torch.where(begun, last[name], state[name]) for name in state}


def scan(
    a: Float[Tensor, "B T H"], b: Float[Tensor, "B T H"]
) -> tuple[Float[Tensor, "B T H"], Float[Tensor, "B T H"]]:
    """Return for every t the coefficients of all steps up to it, made one."""
    T = a.shape[1]
    if T == 1:
        return a, b
    even = T - T % 2
    first_a, second_a = a[:, 0:even:2], a[:, 1:even:2]
    first_b, second_b = b[:, 0:even:2], b[:, 1:even:2]
    pair_a, pair_b = scan(first_a * second_a, torch.addcmul(second_b, second_a, first_b))
    # the odd places are the pairs'; an even one goes on from the pair before it
    next_a, next_b = a[:, 2::2], b[:, 2::2]
    before_a, before_b = pair_a[:, : next_a.shape[1]], pair_b[:, : next_a.shape[1]]
    even_a = torch.cat([a[:, :1], next_a * before_a], dim=1)
    even_b = torch.cat([b[:, :1], torch.addcmul(next_b, next_a, before_b)], dim=1)
    return _woven(even_a, pair_a), _woven(even_b, pair_b)


def _woven(even: Tensor, odd: Tensor) -> Tensor:
    """Return even₀, odd₀, even₁, …"""
    paired = torch.stack([even[:, : odd.shape[1]], odd], dim=2).flatten(1, 2)
    return torch.cat([paired, even[:, odd.shape[1] :]], dim=1)

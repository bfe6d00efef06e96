"""What is computed in which pass over the units, what the tape keeps, and where.

A pass goes over all rows and units once; a sum over H or a product of a vector that the cell makes
must be complete before what reads it, in the next pass. A cell without either has one pass.

The backward pass needs values of the forward one. Each is kept on the tape or computed again from
what is kept, by a minimum cut of the graph that counts bytes (products and sums are never made
twice): an LSTM keeps its four activated gates and its cell state, and computes tanh(c) again.
Letters: H hidden size.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count

from seqline_plugins.recurrence.generated.cut import Network
from seqline_plugins.recurrence.generated.derive import Derivative, derive
from seqline_plugins.recurrence.generated.graph import (
    LEAVES,
    OF_BACKWARD,
    Equations,
    Node,
    Product,
    in_order,
)


@dataclass
class Plan:
    """Everything that the source and the host need to know of a cell.

    output          the new output, if the backward pass reads it where the forward one put it out
    kept            vectors on the tape, by node, their slot; `numbers` the numbers beside them
    state_slots     where a state's sequence is kept, −1 where it is not (the output is anyway)
    fed_slot        the first of the gates' feed-forward slots; `fed_grad_slot` of their gradients
    grad_slots      of every product, of every gate
    operand_slots   of every product whose operand the cell makes, −1 for others
    own_of_gate     parameters whose gradient is that of a gate's bias
    own_of_own      parameters whose gradient is that of another one
    """

    equations: Equations
    derivative: Derivative
    products: tuple[Product, ...]
    output: Node | None = None
    kept: dict[int, int] = field(default_factory=dict)
    numbers: dict[int, int] = field(default_factory=dict)
    state_slots: list[int] = field(default_factory=list)
    fed_slot: int = 0
    fed_grad_slot: int = 0
    grad_slots: list[list[int]] = field(default_factory=list)
    operand_slots: list[int] = field(default_factory=list)
    own_of_gate: dict[str, str] = field(default_factory=dict)
    own_of_own: dict[str, str] = field(default_factory=dict)
    slots: int = 0
    forward_order: list[Node] = field(default_factory=list)
    forward_levels: dict[int, int] = field(default_factory=dict)
    backward_levels: dict[int, int] = field(default_factory=dict)

    @property
    def keeps(self) -> bool:
        """Whether the backward pass needs more than the cell's input and output."""
        return bool(self.kept or self.numbers)

    @property
    def is_apart(self) -> bool:
        """Whether units know nothing of each other, nor of x but by the gates, and none is kept."""
        nodes = [*self.forward_order, *in_order(self.derivative.ends())]
        across = any(node.op in ("sum", "product", "input") for node in nodes)
        return bool(self.equations.gates) and not across and not self.keeps

    @property
    def forward_passes(self) -> int:
        """Passes over the units in a forward step."""
        return 1 + max(self.forward_levels.values())

    @property
    def backward_passes(self) -> int:
        """Passes over the units in a backward step."""
        return 1 + max(self.backward_levels.values(), default=0)

    @property
    def forward_breaks(self) -> set[int]:
        """The forward passes that a product of a vector made by the cell comes before."""
        made = [p for p in self.products if p.operand.op != "state"]
        return {self.forward_levels[id(product.nodes[0])] for product in made}

    @property
    def backward_breaks(self) -> set[int]:
        """The backward passes that the gradient of such a vector comes before."""
        return {level for level in map(self.backward_pass_of, range(len(self.products))) if level}

    def backward_pass_of(self, number: int) -> int:
        """Return the pass before which dL/dv of a product is computed, 0 where after all."""
        for node in in_order(self.derivative.ends()):
            if node.op == "operand_grad" and node.value == float(number):
                return self.backward_levels[id(node)]
        return 0

    def stays(self, node: Node) -> bool:
        """Say whether a kept vector is where it was read: a gate's feed-forward part."""
        if node.op != "fed":
            return False
        return self.kept[id(node)] == self.fed_slot + self.equations.gates.index(str(node.value))

    @staticmethod
    def parts_of(count: int, breaks: set[int]) -> list[int]:
        """Return of every pass the number of its function: a break starts a new one."""
        return [sum(1 for one in breaks if one <= number) for number in range(count)]

    def forward_part_of(self, product: Product) -> int:
        """Return the function before which the host computes a product."""
        parts = self.parts_of(self.forward_passes, self.forward_breaks)
        return parts[self.forward_levels[id(product.nodes[0])]]

    def backward_part_of(self, number: int) -> int:
        """Return the function before which the host computes dL/dv of a product."""
        parts = self.parts_of(self.backward_passes, self.backward_breaks)
        return parts[self.backward_pass_of(number)]


def make_plan(equations: Equations, reads_output: bool = True) -> Plan:
    """Return the plan of a cell.

    With `reads_output` the host lets the backward pass read h_t, as h_{t−1}, from the output.
    """
    derivative = derive(equations)
    h = equations.new[equations.states[0]]
    output = h if reads_output and h.shape == "vector" else None
    plan = Plan(equations, derivative, equations.products, output)
    kept = _least_kept(plan, _needed(plan))
    plan.forward_order = in_order([*equations.new.values(), *kept])
    plan.forward_levels = _levels(plan.forward_order, {})
    operands = [product.operand for product in plan.products]
    ends = [*equations.new.values(), *operands]
    _put_off(plan.forward_order, plan.forward_levels, ends, available={}, on_tape=kept)
    _lay_out(plan, kept)
    available = dict.fromkeys([*map(id, kept), *plan.kept], 0)
    order = _backward_order(plan, available)
    plan.backward_levels = _levels(order, available)
    _put_off(order, plan.backward_levels, derivative.ends(), available, on_tape=[])
    return plan


def _levels(order: list[Node], available: dict[int, int]) -> dict[int, int]:
    """Return the pass in which each node can be computed."""
    level: dict[int, int] = {}
    for node in order:
        if id(node) in available:
            level[id(node)] = available[id(node)]
            continue
        after = max((level[id(arg)] for arg in node.args), default=0)
        level[id(node)] = after + node.is_awaited
    return level


def _put_off(
    order: list[Node],
    level: dict[int, int],
    ends: list[Node],
    available: dict[int, int],
    on_tape: list[Node],
) -> None:
    """Let vectors that only later passes read be computed there, instead of kept until then.

    Not where two others would be kept in the place of one. `ends` are written in the pass in which
    they are there, what goes `on_tape` in the last.
    """
    last = max(level.values(), default=0)
    read = {id(node): [level[id(node)]] for node in ends}
    for node in on_tape:
        read.setdefault(id(node), []).append(last)
    readers: dict[int, list[Node]] = {}
    for node in order:
        for arg in () if id(node) in available else node.args:
            readers.setdefault(id(arg), []).append(node)

    def is_made(node: Node) -> bool:
        is_leaf = node.op in LEAVES or node.is_awaited or id(node) in available
        return node.shape == "vector" and not is_leaf

    def first_read(node: Node, but: Node | None = None) -> int:
        by = (one for one in readers.get(id(node), ()) if one is not but)
        at = [level[id(one)] - one.is_awaited for one in by]
        return min([*at, *read.get(id(node), ())], default=last)

    for node in filter(is_made, reversed(order)):
        later = first_read(node)
        held = [arg for arg in node.args if is_made(arg) and first_read(arg, but=node) < later]
        if len({id(arg) for arg in held}) <= 1:
            level[id(node)] = max(level[id(node)], later)


def _is_backward(order: list[Node]) -> set[int]:
    """Return the nodes that depend on a gradient."""
    found: set[int] = set()
    for node in order:
        if node.op in OF_BACKWARD or any(id(arg) in found for arg in node.args):
            found.add(id(node))
    return found


def _needed(plan: Plan) -> list[Node]:
    """Return the values of the forward pass that the backward nodes read."""
    order = in_order(plan.derivative.ends())
    backward = _is_backward(order)
    found = [
        arg
        for node in order
        if id(node) in backward
        for arg in node.args
        if id(arg) not in backward
    ]
    found += [end for end in plan.derivative.ends() if id(end) not in backward]
    return list({id(node): node for node in found}.values())


def _least_kept(plan: Plan, needed: list[Node]) -> list[Node]:
    """Return the nodes to keep: the cheapest cut between what is known and what is needed."""
    order = in_order(needed)
    net = Network()
    for rank, node in enumerate(order):
        inner, outer = (id(node), "in"), (id(node), "out")
        # of two cuts with the same bytes the later one, which leaves less to compute again
        cost = {"number": 1_000, "constant": 0}.get(node.shape, 1_000_000) - rank
        if node.shape == "vector" and _is_near_fed(node):
            cost += 2_000  # the feed-forward part is on the tape anyway
        before = node.op == "state" and node.value == plan.equations.states[0]
        if before or node is plan.output:
            cost = 1  # the output is there anyway
        if node.op in ("input", "noise"):
            cost = 1
        if node.op in ("own", "constant", "inverse_hidden"):
            continue  # known in the backward pass too
        net.add_edge(inner, outer, max(1, cost))
        if node.op in ("fed", "state", "input", "noise", "product", "sum"):
            net.add_edge("known", inner)
        for arg in node.args:
            if node.op not in ("product", "sum"):
                net.add_edge((id(arg), "out"), inner)
    for node in needed:
        if (id(node), "out") in net:
            net.add_edge((id(node), "out"), "needed")
    if "needed" not in net or "known" not in net:
        return []
    known = net.side_of("known", "needed")
    return [n for n in order if (id(n), "in") in known and (id(n), "out") not in known]


def _is_near_fed(node: Node) -> bool:
    """Say whether a vector is a gate's feed-forward part but for a number or two."""
    if node.op not in ("add", "sub", "mul", "neg"):
        return False
    vectors = [arg for arg in node.args if arg.shape == "vector"]
    return len(vectors) == 1 and (vectors[0].op == "fed" or _is_near_fed(vectors[0]))


def _backward_order(plan: Plan, available: dict[int, int]) -> list[Node]:
    """Return the nodes of the backward pass in order, nothing below what is kept."""
    seen: set[int] = set()
    order: list[Node] = []

    def visit(node: Node) -> None:
        if id(node) in seen:
            return
        seen.add(id(node))
        if id(node) not in available:
            for arg in node.args:
                visit(arg)
        order.append(node)

    for end in plan.derivative.ends():
        visit(end)
    return order


def _lay_out(plan: Plan, kept: list[Node]) -> None:
    """Give every kept value and gradient its slot.

    A token's slots are written in the last pass, each after it has been read, so that feed-forward
    parts, kept values and gradients share the same ones; a feed-forward part that is kept stays
    where it is. Operands of products must outlast the gradients and come first.
    """
    equations, derivative = plan.equations, plan.derivative
    states, gates = equations.states, equations.gates
    kept_states = [n for n in kept if n.op == "state" and n.value != states[0]]
    needed_after = [
        p.operand
        for p in plan.products
        if not (p.operand.op == "state" and p.operand.value == states[0])
    ]
    first: dict[int, int] = {}
    state_slots = dict.fromkeys(states, -1)
    operand_slots = []
    for product in plan.products:
        operand = product.operand
        if operand.op == "state":
            if operand in needed_after and state_slots[str(operand.value)] < 0:
                state_slots[str(operand.value)] = len(first)
                first[id(equations.new[str(operand.value)])] = len(first)
            operand_slots.append(-1)
        else:
            operand_slots.append(first.setdefault(id(operand), len(first)))
    preserved = len(first)
    plan.operand_slots = operand_slots
    elsewhere = [n for n in kept if n.op in ("state", "input", "noise") or n is plan.output]
    vectors = [n for n in kept if n.shape == "vector" and n not in elsewhere]
    plan.fed_slot = plan.fed_grad_slot = preserved
    stay = {
        id(node): preserved + gates.index(str(node.value)) for node in vectors if node.op == "fed"
    }
    plan.kept = stay | first
    free = (slot for slot in count(preserved) if slot not in stay.values())
    for node in vectors:
        if id(node) not in plan.kept:
            plan.kept[id(node)] = next(free)
    for node in kept_states:
        name = str(node.value)
        if state_slots[name] < 0:
            new = id(equations.new[name])
            if new not in plan.kept:
                plan.kept[new] = next(free)
            state_slots[name] = plan.kept[new]
    plan.state_slots = [state_slots[name] for name in states]
    numbers = [n for n in kept if n.shape == "number"]
    plan.numbers = {id(node): number for number, node in enumerate(numbers)}
    of_node = {
        id(derivative.fed[gate]): plan.fed_grad_slot + number
        for number, gate in enumerate(gates)
        if gate in derivative.fed
    }
    beyond = plan.fed_grad_slot + len(gates)
    for nodes in derivative.products:
        slots = []
        for node in nodes:
            if id(node) not in of_node:
                of_node[id(node)] = beyond
                beyond += 1
            slots.append(of_node[id(node)])
        plan.grad_slots.append(slots)
    highest = max(plan.kept.values(), default=0)
    plan.slots = max(beyond, highest + 1, preserved + len(gates))
    fed_grads = {id(node): gate for gate, node in derivative.fed.items()}
    plan.own_of_gate = {
        own: fed_grads[id(node)] for own, node in derivative.own.items() if id(node) in fed_grads
    }
    first_of: dict[int, str] = {}
    for own, node in derivative.own.items():
        if own not in plan.own_of_gate and first_of.setdefault(id(node), own) != own:
            plan.own_of_own[own] = first_of[id(node)]

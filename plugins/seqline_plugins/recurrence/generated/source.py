"""The C++ source of a cell: its passes over the rows and units of one timestep.

    forward_0 …   a step's new state, what the backward pass needs put on the tape
    infer_0 …     the same, nothing kept
    backward_0 …  a step's gradients

A function goes through the rows once; for each it makes one or more passes over the units, so that
what passes on from one to the next stays in the nearest cache. A product between two passes ends a
function: it needs all rows.
The loop over time, the products and the gradients of the weights are the host's (native/).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from seqline_plugins.recurrence.generated.expressions import (
    expression_of,
    of_numbers,
    scalar,
)
from seqline_plugins.recurrence.generated.graph import Node, in_order
from seqline_plugins.recurrence.generated.naming import PLACE, free_name, name_of_place
from seqline_plugins.recurrence.generated.plan import Plan
from seqline_plugins.recurrence.generated.templates import AHEAD, FUNCTION, HEADER, PASS, RESERVED


@dataclass
class Source:
    """A cell's source and what the host must reserve for it."""

    text: str
    forward_scratch: int
    forward_numbers: int
    backward_scratch: int
    backward_numbers: int


def write_source(plan: Plan) -> Source:
    """Return the source of a cell's passes."""
    forward, infer, backward = _Forward(plan, True), _Forward(plan, False), _Backward(plan)
    text = HEADER + forward.text() + infer.text() + backward.text()
    return Source(
        text,
        max(len(forward.scratch), len(infer.scratch)),
        max(len(forward.sums), len(infer.sums)),
        len(backward.scratch),
        len(backward.sums),
    )


@dataclass
class _Lines:
    """The parts of one pass, in the order in which they stand in the source."""

    row: list[str] = field(default_factory=list)
    loads: list[str] = field(default_factory=list)
    work: list[str] = field(default_factory=list)
    stores: list[str] = field(default_factory=list)
    after: list[str] = field(default_factory=list)


class _Passes:
    """Writes the passes of one direction."""

    name = ""

    def __init__(self, plan: Plan, levels: dict[int, int], count: int) -> None:
        self.plan, self.levels, self.count = plan, levels, count
        self.states = plan.equations.states
        self.scratch: dict[int, int] = {}
        self.places: dict[int, str] = {}
        self.sums: dict[int, int] = {}
        self.brought: set[str] = set()
        self.names = dict(plan.equations.names)
        for node, grad in plan.derivative.of.items():
            if node in plan.equations.names:
                self.names.setdefault(grad, f"d_{plan.equations.names[node]}")

    def order(self) -> list[Node]:
        raise NotImplementedError

    def leaf(self, node: Node) -> tuple[str, str] | None:
        """Return the name and the expression of what is read from memory, or None."""
        raise NotImplementedError

    def outputs(self, number: int) -> Iterable[tuple[Node, str]]:
        """Yield what a pass stores: the node, and the statement with {} for its value."""
        raise NotImplementedError

    def kept_number(self, node: Node) -> str | None:
        """Return the expression of a number that stands on the tape, or None."""
        return None

    def keeps_numbers(self) -> dict[int, int]:
        """The numbers to put on the tape, by node their place."""
        return {}

    def text(self) -> str:
        order = self.order()
        later: dict[int, int] = {}  # the last pass that reads a vector
        for node in order:
            if self.leaf(node) is not None or self.kept_number(node) is not None:
                continue
            for arg in node.args:
                at = self.levels[id(node)] - (node.op == "sum")
                later[id(arg)] = max(later.get(id(arg), 0), at)
        for node in self.onto_tape():
            later[id(node)] = self.count - 1
        part_of = self.plan.parts_of(self.count, self.breaks())
        passes = [self._pass(number, order, later, part_of) for number in range(self.count)]
        functions = [
            "".join(body for body, part in zip(passes, part_of, strict=True) if part == number)
            for number in range(part_of[-1] + 1)
        ]
        return "\n".join(
            FUNCTION.format(name=self.name, number=number, passes=body)
            for number, body in enumerate(functions)
        )

    def breaks(self) -> set[int]:
        """The passes that a product comes before."""
        raise NotImplementedError

    def onto_tape(self) -> list[Node]:
        """What is put on the tape: in the last pass, when all of it has been read."""
        raise NotImplementedError

    def _pass(
        self, number: int, order: list[Node], later: dict[int, int], part_of: list[int]
    ) -> str:
        lines, names = _Lines(), {}  # type: ignore[var-annotated]
        taken: set[str] = set()
        outputs = list(self.outputs(number))
        here = [n for n in order if self.levels[id(n)] == number and n.shape == "vector"]
        crossing = [n for n in here if later.get(id(n), 0) > number and not self._is_cheap(n)]
        sums = [
            n
            for n in order
            if n.op == "sum" and self.levels[id(n)] == number + 1 and self.kept_number(n) is None
        ]
        wanted = [node for node, _ in outputs] + crossing + [n.args[0] for n in sums]
        for node in wanted:
            self._value(node, number, lines, names, taken)
        for node, statement in outputs:
            lines.stores.append(statement.format(names[id(node)]))
        for node in crossing:
            slot = self.scratch.setdefault(id(node), len(self.scratch))
            every_row = part_of[later[id(node)]] > part_of[number]
            place = f"ROW(KEPT({slot}))" if every_row else f"KEPT({slot})"
            self.places[id(node)] = f"{place} + j"
            lines.stores.append(f"store({self.places[id(node)]}, {names[id(node)]});")
        for node in sums:
            slot = self.sums.setdefault(id(node), len(self.sums))
            lines.row.append(f"Vector sum_{slot} = {{}};")
            lines.stores.append(f"sum_{slot} += first({names[id(node.args[0])]}, left);")
            place = f"s->numbers[{slot} * s->numbers_size + r]"
            lines.after.append(f"{place} = total(sum_{slot});")
        keep = self.keeps_numbers()
        if number == self.count - 1:
            for node in order:
                if id(node) in keep:
                    self._value(node, number, lines, names, taken)
                    place = f"AT(slots, {self.plan.slots})[{keep[id(node)]}]"
                    value = scalar(names[id(node)]) or f"({names[id(node)]})[0]"
                    lines.after.append(f"{place} = {value};")
        return self._render(lines, taken)

    def _value(
        self, node: Node, number: int, lines: _Lines, names: dict[int, str], taken: set[str]
    ) -> None:
        if id(node) in names:
            return
        if node.op == "constant":
            names[id(node)] = f"splat((REAL){node.value!r})"
            return
        if node.op == "inverse_hidden":
            names[id(node)] = "splat((REAL)1 / s->hidden)"
            return
        found = self.leaf(node)
        if found is not None:
            names[id(node)] = _free(found[0], taken)
            expression = AHEAD.sub(self._ahead_once, found[1])
            lines.loads.append(f"const Vector {names[id(node)]} = {expression};")
            return
        if node.shape == "number":
            self._number(node, number, lines, names, taken)
            return
        if self.levels[id(node)] < number and not self._is_cheap(node):
            names[id(node)] = _free(self.names.get(node, "kept"), taken)
            place = self.places[id(node)]
            lines.loads.append(f"const Vector {names[id(node)]} = load({place});")
            return
        for arg in node.args:
            self._value(arg, number, lines, names, taken)
        names[id(node)] = _free(self.names.get(node, "v"), taken)
        lines.work.append(f"const Vector {names[id(node)]} = {expression_of(node, names)};")

    def _ahead_once(self, found: re.Match[str]) -> str:
        """Let the first pass that reads a place bring the next step's nearer, and no other."""
        if found[0] in self.brought:
            return found[1]
        self.brought.add(found[0])
        return found[0]

    def _is_cheap(self, node: Node) -> bool:
        """Whether to compute a vector again in a later pass, as quickly as it could be read."""
        if node.shape == "constant" or self.leaf(node) is not None:
            return True
        if node.op not in ("add", "sub", "mul", "neg"):
            return False
        vectors = [arg for arg in node.args if arg.shape == "vector" and arg.op != "own"]
        return len({id(arg) for arg in vectors}) <= 1 and all(map(self._is_cheap, vectors))

    def _number(
        self, node: Node, number: int, lines: _Lines, names: dict[int, str], taken: set[str]
    ) -> None:
        on_tape = self.kept_number(node)
        if on_tape is None and node.op == "sum":
            slot = self.sums.setdefault(id(node), len(self.sums))
            on_tape = f"s->numbers[{slot} * s->numbers_size + r]"
        kind, expression = "REAL", on_tape
        if on_tape is None:
            for arg in node.args:
                self._value(arg, number, lines, names, taken)
            kind, expression = of_numbers(node, names)
        name = _free(self.names.get(node, "n"), taken)
        names[id(node)] = f"splat({name})" if kind == "REAL" else name
        lines.row.append(f"const {kind} {name} = {expression};")

    def _render(self, lines: _Lines, taken: set[str]) -> str:
        places: dict[str, str] = {}  # where vectors stand in this row, worked out once

        def named(found: re.Match[str]) -> str:
            if found[1] not in places:
                places[found[1]] = _free(name_of_place(found[1]), taken)
            return f"{places[found[1]]} + j"

        loads, stores = (
            [PLACE.sub(named, line) for line in of] for of in (lines.loads, lines.stores)
        )
        worked_out = [f"auto* const {name} = {place};" for place, name in places.items()]
        row = "".join(f"            {line}\n" for line in [*worked_out, *lines.row])
        units = "".join(f"                {line}\n" for line in [*loads, *lines.work, *stores])
        after = "".join(f"            {line}\n" for line in lines.after)
        return PASS.format(row=row, units=units, after=after)


class _Forward(_Passes):
    def __init__(self, plan: Plan, keeps: bool) -> None:
        super().__init__(plan, plan.forward_levels, plan.forward_passes)
        self.name, self.keeps = ("forward" if keeps else "infer"), keeps

    def order(self) -> list[Node]:
        if self.keeps:
            return self.plan.forward_order
        return in_order(self.plan.equations.new.values())

    def breaks(self) -> set[int]:
        return self.plan.forward_breaks

    def leaf(self, node: Node) -> tuple[str, str] | None:
        if node.op == "product":
            for p, product in enumerate(self.plan.products):
                if node in product.nodes:
                    gate = product.nodes.index(node)
                    place = f"GATE(s->product[{p}], {len(product.gates)}, {gate}) + j"
                    return f"h_{node.value}", f"load({place})"
        if node.op == "fed":
            slot = self.plan.fed_slot + self.plan.equations.gates.index(str(node.value))
            return f"x_{node.value}", f"load(AT(slots, {slot}) + j)"
        if node.op == "state":
            place = f"ROW(s->before[{self.states.index(str(node.value))}]) + j"
            return f"state_{node.value}", f"load({place})"
        return _shared_leaf(self.plan, node)

    def outputs(self, number: int) -> Iterable[tuple[Node, str]]:
        for place, (_, node) in enumerate(self.plan.equations.new.items()):
            if self._due(node, number):
                yield node, f"store(ROW(s->after[{place}]) + j, {{}});"
                if place == 0:
                    yield node, "store_part(ahead_to_write(s->output[r] + j, s->next), {}, left);"
        for p, product in enumerate(self.plan.products):
            if product.operand.op != "state" and self._due(product.operand, number):
                yield product.operand, f"store(ROW(s->operand[{p}]) + j, {{}});"
        if number == self.count - 1:
            for node in self.onto_tape():
                yield node, f"store(AT(slots, {self.plan.kept[id(node)]}) + j, {{}});"

    def onto_tape(self) -> list[Node]:
        plan = self.plan
        kept = [n for n in self.order() if id(n) in plan.kept and not plan.stays(n)]
        return kept if self.keeps else []

    def keeps_numbers(self) -> dict[int, int]:
        return self.plan.numbers if self.keeps else {}

    def _due(self, node: Node, number: int) -> bool:
        return self.levels[id(node)] == number


class _Backward(_Passes):
    name = "backward"

    def __init__(self, plan: Plan) -> None:
        super().__init__(plan, plan.backward_levels, plan.backward_passes)

    def order(self) -> list[Node]:
        return [n for n in in_order(self.plan.derivative.ends()) if id(n) in self.levels]

    def breaks(self) -> set[int]:
        return self.plan.backward_breaks

    def leaf(self, node: Node) -> tuple[str, str] | None:
        if node.op == "grad_after":
            state = self.states.index(str(node.value))
            inside = f"load(ROW(s->grad_after[{state}]) + j)"
            if state == 0:
                inside += " + load_part(ahead(s->output_grad[r] + j, s->next), left)"
            return f"d_{node.value}", inside
        if node.op == "operand_grad":
            p = int(float(node.value))
            return f"d_operand_{p}", f"load(ROW(s->operand_grad[{p}]) + j)"
        if node.op == "state":
            place = f"s->saved_state[{self.states.index(str(node.value))}][r] + j"
            return f"state_{node.value}", f"load_part(ahead({place}, s->next), left)"
        if id(node) in self.plan.kept and node.shape == "vector":
            name = f"x_{node.value}" if node.op == "fed" else self.names.get(node, "saved")
            place = f"AT(slots, {self.plan.kept[id(node)]}) + j"
            return name, f"load(ahead({place}, -s->stride))"
        if node is self.plan.output and id(node) in self.levels:
            return self.names.get(node, "output"), "load_part(s->output[r] + j, left)"
        return _shared_leaf(self.plan, node)

    def kept_number(self, node: Node) -> str | None:
        if id(node) in self.plan.numbers:
            return f"AT(slots, {self.plan.slots})[{self.plan.numbers[id(node)]}]"
        return None

    def outputs(self, number: int) -> Iterable[tuple[Node, str]]:
        plan, derivative = self.plan, self.plan.derivative
        zero = plan.equations.graph.constant(0)
        written: set[int] = set()
        last = number == self.count - 1
        for place, gate in enumerate(plan.equations.gates):
            node, slot = derivative.fed.get(gate, zero), plan.fed_grad_slot + place
            written.add(slot)
            if last:
                yield node, f"store(AT(slots, {slot}) + j, first({{}}, left));"
        for p, nodes in enumerate(derivative.products):
            for gate_number, node in enumerate(nodes):
                slot = plan.grad_slots[p][gate_number]
                if self._due(node, number):
                    place_ = f"GATE(s->product_grad[{p}], {len(nodes)}, {gate_number}) + j"
                    yield node, f"store({place_}, first({{}}, left));"
                if last and slot not in written:
                    written.add(slot)
                    yield node, f"store(AT(slots, {slot}) + j, first({{}}, left));"
        for state_number, state in enumerate(self.states):
            node = derivative.state.get(state, zero)
            if self._due(node, number):
                place_ = f"ROW(s->grad_before[{state_number}]) + j"
                yield node, f"store({place_}, {{}});"
        for own_number, own in enumerate(plan.equations.owns):
            if own in derivative.own and own not in plan.own_of_gate | plan.own_of_own:
                node = derivative.own[own]
                if self._due(node, number):
                    place_ = f"s->own_grad[{own_number}] + j"
                    yield node, f"store({place_}, load({place_}) + {{}});"
        if derivative.input is not None and self._due(derivative.input, number):
            yield (
                derivative.input,
                "if (s->input_grad[r]) store_part(s->input_grad[r] + j, {}, left);",
            )

    def onto_tape(self) -> list[Node]:
        products = self.plan.derivative.products
        return [*self.plan.derivative.fed.values(), *(node for nodes in products for node in nodes)]

    def _due(self, node: Node, number: int) -> bool:
        return self.levels.get(id(node), 0) == number


def _shared_leaf(plan: Plan, node: Node) -> tuple[str, str] | None:
    if node.op == "own":
        place = plan.equations.owns.index(str(node.value))
        return f"own_{node.value}", f"load(s->own[{place}] + j)"
    if node.op == "input":
        return "input", "load_part(s->input[r] + j, left)"
    if node.op == "noise":
        place = plan.equations.noises.index(str(node.value))
        return f"noise_{node.value}", f"load_part(s->noise[{place}][r] + j, left)"
    return None


def _free(wish: str, taken: set[str]) -> str:
    return free_name(wish, taken, RESERVED)

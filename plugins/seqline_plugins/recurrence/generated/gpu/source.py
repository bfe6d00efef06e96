"""The Triton source of a cell: its pointwise work at one timestep, or the whole loop over time.

    forward_0 …, backward_0 …   a step; a product of a vector that the cell makes starts a new one
    infer_0 …                   a step forward, nothing kept
    forward, infer, backward    all steps in one launch, products included (`fused`)

A program has some rows; where the cell sums over its units it has all units of them, so that a sum
is complete at once and the passes of the C++ code fall together. What is kept, and in which slot,
is the plan's. Letters: B batch, T time, H hidden size, p a product, s a state.
"""

from __future__ import annotations

import keyword
import re
from dataclasses import dataclass, field

from seqline_plugins.recurrence.generated.gpu.functions import (
    BACKWARD_LOOP,
    FORWARD_LOOP,
    HEADER,
    OPERATIONS,
    STEP,
    power,
)
from seqline_plugins.recurrence.generated.graph import Node, in_order
from seqline_plugins.recurrence.generated.naming import free_name
from seqline_plugins.recurrence.generated.plan import Plan

VECTORS = "(t * B + rows) * H + units"
BUFFERS = """tape numbers history initial states owns noises input lengths scratch scratch_numbers
output_grad grads own_grads input_grad"""


@dataclass
class Source:
    """A cell's source, and of every function in it the buffers that it asks for, in their order."""

    text: str
    buffers: dict[str, tuple[str, ...]]
    scratch: int
    scratch_numbers: int
    whole_rows: bool


def write_source(plan: Plan, *, fused: bool = False) -> Source:
    """Return the source of a cell: step by step, or fused over time."""
    directions = [
        _Forward(plan, "forward", fused),
        _Forward(plan, "infer", fused),
        _Backward(plan, "backward", fused),
    ]
    bodies = {name: text for one in directions for name, text in one.functions().items()}
    known = [*BUFFERS.split(), *_numbered(plan)]
    buffers = {
        name: tuple(one for one in known if re.search(rf"\b{one}\b", text))
        for name, text in bodies.items()
    }
    text = HEADER + "".join(
        body.replace("BUFFERS", ", ".join(buffers[name])) for name, body in bodies.items()
    )
    nodes = [*plan.forward_order, *in_order(plan.derivative.ends())]
    return Source(
        text,
        buffers,
        max(len(one.scratch) for one in directions),
        max(len(one.scratch_numbers) for one in directions),
        any(node.shape == "number" for node in nodes),
    )


def can_fuse(plan: Plan) -> bool:
    """Say whether every product is of a state, so that no step has to wait for another program."""
    return all(product.operand.op == "state" for product in plan.products)


def _numbered(plan: Plan) -> list[str]:
    kinds = ("W", "operand", "product", "product_grad", "operand_grad")
    return [f"{kind}_{p}" for p in range(len(plan.products)) for kind in kinds]


_WRITTEN = " ".join([HEADER, STEP, FORWARD_LOOP, BACKWARD_LOOP, *OPERATIONS.values(), BUFFERS])
RESERVED = {*keyword.kwlist, "into", "square", *re.findall(r"[A-Za-z_]\w*", _WRITTEN)}
"""Words that mean something in the source: a value of such a name gets a number."""


@dataclass
class _Lines:
    """The lines of one function's step, in the order in which they stand."""

    loads: dict[str, str] = field(default_factory=dict)
    work: list[str] = field(default_factory=list)
    stores: list[str] = field(default_factory=list)


class _Direction:
    """Writes the functions of one direction; `fused`: one function, states in registers."""

    template = ""

    def __init__(self, plan: Plan, name: str, fused: bool) -> None:
        self.plan, self.name, self.fused = plan, name, fused
        self.states = plan.equations.states
        self.scratch: dict[int, int] = {}
        self.scratch_numbers: dict[int, int] = {}
        self.labels = dict(plan.equations.names)
        for node, grad in plan.derivative.of.items():
            if node in plan.equations.names:
                self.labels.setdefault(grad, f"d_{plan.equations.names[node]}")

    def part(self, node: Node) -> int:
        raise NotImplementedError

    def parts(self) -> int:
        raise NotImplementedError

    def read(self, node: Node) -> tuple[str, str] | None:
        """Return the name and the expression of what is read from memory, or None."""
        raise NotImplementedError

    def store(self, number: int) -> None:
        """Write what part `number` stores."""
        raise NotImplementedError

    def loop(self, text: str) -> str:
        """Return the function of all steps around the text of one."""
        raise NotImplementedError

    def functions(self) -> dict[str, str]:
        """Return the functions by name, their arguments still to be filled in."""
        found: dict[str, str] = {}
        crossing: dict[int, Node] = {}  # what later parts ask of earlier ones
        for number in reversed(range(self.parts())):
            self.lines, self.number, self.crossing = _Lines(), number, crossing
            self.of: dict[int, str] = {}
            numbers = range(len(self.states) + len(self.plan.equations.owns))
            kinds = ("state", "new", "carry", "grad", "own_grad")
            self.taken = {f"{kind}_{n}" for kind in kinds for n in numbers}
            self.taken |= set(_numbered(self.plan))
            for node in [n for n in crossing.values() if self.part(n) == number]:
                self._keep_for_later(node)
            self.store(number)
            name = self.name if self.fused else f"{self.name}_{number}"
            found[name] = self._function(name)
        return dict(reversed(found.items()))

    def _function(self, name: str) -> str:
        lines = self.lines
        loads = [f"{variable} = {expression}" for variable, expression in lines.loads.items()]
        # a token's slots are written when all of them have been read, by every thread
        step = [*loads, *lines.work, "tl.debug_barrier()", *lines.stores]
        if not self.fused:
            return STEP.replace("NAME", name) + "".join(f"    {line}\n" for line in step)
        return self.loop("".join(f"        {line}\n" for line in step)).replace("NAME", name)

    def value(self, node: Node) -> str:
        """Return the name of a value, and write what it takes to have it."""
        if id(node) not in self.of:
            self.of[id(node)] = self._made(node)
        return self.of[id(node)]

    def _made(self, node: Node) -> str:
        if node.op == "constant":
            return f"tl.full((1, 1), {node.value!r}, REAL)"
        if node.op == "inverse_hidden":
            return "tl.full((1, 1), 1.0 / H, REAL)"
        found = self.read(node)
        if found is None and node.shape != "constant" and self.part(node) < self.number:
            self.crossing[id(node)] = node
            found = self.labels.get(node, "kept"), self._scratch(node)
        if found is not None:
            if found[0] in self.lines.loads and self.lines.loads[found[0]] == found[1]:
                return found[0]
            name = free_name(found[0], self.taken, RESERVED)
            self.lines.loads[name] = found[1]
            return name
        args = [self.value(arg) for arg in node.args]
        if node.op == "sum":
            expression = f"total({args[0]}, units < H)"
        elif node.op == "power":
            expression = power(args[0], float(node.value))
        else:
            expression = OPERATIONS[node.op].format(*args)
        name = free_name(
            self.labels.get(node, "v" if node.shape == "vector" else "n"), self.taken, RESERVED
        )
        self.lines.work.append(f"{name} = {expression}")
        return name

    def _scratch(self, node: Node) -> str:
        if node.shape == "number":
            slot = self.scratch_numbers.setdefault(id(node), len(self.scratch_numbers))
            return f"read(scratch_numbers + {slot} * B + rows, rows < B)"
        slot = self.scratch.setdefault(id(node), len(self.scratch))
        return f"read(scratch + ({slot} * B + rows) * H + units, inside)"

    def _keep_for_later(self, node: Node) -> None:
        place = self._scratch(node).removeprefix("read(").removesuffix(")")
        where, mask = place.rsplit(", ", 1)
        self.lines.stores.append(f"write({where}, {self.value(node)}, {mask})")

    def shared(self, node: Node) -> tuple[str, str] | None:
        """What both directions read alike."""
        equations = self.plan.equations
        if node.op == "own":
            place = equations.owns.index(str(node.value))
            return f"own_{node.value}", f"read(owns + {place} * H + units, units < H)"
        if node.op == "input":
            return "input", f"read(input + {VECTORS}, inside)"
        if node.op == "noise":
            place = equations.noises.index(str(node.value))
            return (
                f"noise_{node.value}",
                f"read(noises + (({place} * T + t) * B + rows) * H + units, inside)",
            )
        return None

    def _square(self) -> list[str]:
        """What the loading of whole matrices needs."""
        if not self.plan.products:
            return []
        return ["into = tl.arange(0, UNITS)[:, None]", "square = (into < H) & (units < H)"]

    def slot(self, number: int, token: str = "t * B + rows") -> str:
        """The address of a slot of the tape."""
        return f"tape + (({token}) * {self.plan.slots} + {number}) * H + units"


class _Forward(_Direction):
    def __init__(self, plan: Plan, name: str, fused: bool) -> None:
        super().__init__(plan, name, fused)
        self.keeps = name == "forward"
        self.part_of = plan.parts_of(plan.forward_passes, plan.forward_breaks)

    def part(self, node: Node) -> int:
        return self.part_of[self.plan.forward_levels[id(node)]]

    def parts(self) -> int:
        return self.part_of[-1] + 1

    def read(self, node: Node) -> tuple[str, str] | None:
        if node.op == "product":
            for p, product in enumerate(self.plan.products):
                if node in product.nodes:
                    return self._product(p, product.nodes.index(node), str(node.value))
        if node.op == "fed":
            slot = self.plan.fed_slot + self.plan.equations.gates.index(str(node.value))
            return f"x_{node.value}", f"read({self.slot(slot)}, inside)"
        if node.op == "state":
            return self._state(self.states.index(str(node.value)))
        return self.shared(node)

    def _product(self, p: int, gate: int, name: str) -> tuple[str, str]:
        product = self.plan.products[p]
        if self.fused:
            s = self.states.index(str(product.operand.value))
            return f"h_{name}", f"product(state_{s}.to(PRODUCT), W_{p}_{gate}, REAL, WIDEN)"
        place = f"product_{p} + (rows * {len(product.gates)} + {gate}) * H + units"
        return f"h_{name}", f"read({place}, inside)"

    def _state(self, s: int) -> tuple[str, str]:
        if self.fused:
            return f"state_{self.states[s]}", f"state_{s}"
        place = f"states + ((t % 2 * {len(self.states)} + {s}) * B + rows) * H + units"
        return f"state_{self.states[s]}", f"read({place}, inside)"

    def store(self, number: int) -> None:
        plan, stores = self.plan, self.lines.stores
        for s, (state, node) in enumerate(plan.equations.new.items()):
            if self.part(node) == number:
                before = self.value(plan.equations.graph.leaf("state", state))
                self._store_state(s, self.value(node), before)
        for p, product in enumerate(plan.products):
            operand = product.operand
            if operand.op != "state" and self.part(operand) == number:
                value = f"tl.where(valid, {self.value(operand)}, 0.0)"
                stores.append(f"write(operand_{p} + rows * H + units, {value}, inside)")
        if number == self.parts() - 1 and self.keeps:
            self._store_tape()

    def _store_state(self, s: int, value: str, before: str) -> None:
        stores = self.lines.stores
        stores.append(f"new_{s} = tl.where(valid, {value}, {before})")
        if s == 0:
            place = "history + ((t + 1) * B + rows) * H + units"
            stores.append(f"write({place}, tl.where(valid, new_{s}, 0.0), inside)")
        if self.fused:
            return
        place = f"states + (((t + 1) % 2 * {len(self.states)} + {s}) * B + rows) * H + units"
        stores.append(f"write({place}, new_{s}, inside)")
        for p, product in enumerate(self.plan.products):
            if product.operand.op == "state" and product.operand.value == self.states[s]:
                stores.append(f"write(operand_{p} + rows * H + units, new_{s}, inside)")

    def _store_tape(self) -> None:
        plan, stores = self.plan, self.lines.stores
        for node in plan.forward_order:
            if id(node) in plan.kept:
                value = f"tl.where(valid, {self.value(node)}, 0.0)"
                stores.append(f"write({self.slot(plan.kept[id(node)])}, {value}, inside)")
            if id(node) in plan.numbers:
                place = f"numbers + (t * B + rows) * {len(plan.numbers)} + {plan.numbers[id(node)]}"
                stores.append(f"write({place}, {self.value(node)}, rows < B)")

    def loop(self, text: str) -> str:
        count = len(self.states)
        before, after = self._square(), []
        for p, product in enumerate(self.plan.products):
            for gate in range(len(product.gates)):
                place = f"W_{p} + ({gate} * H + units) * H + into"
                before.append(f"W_{p}_{gate} = read({place}, square)")
        for s in range(count):
            before.append(f"state_{s} = read(initial + ({s} * B + rows) * H + units, inside)")
            place = f"states + ((T % 2 * {count} + {s}) * B + rows) * H + units"
            text += f"        state_{s} = new_{s}\n"
            after.append(f"write({place}, state_{s}, inside)")
        return _framed(FORWARD_LOOP, before, text, after)


class _Backward(_Direction):
    def __init__(self, plan: Plan, name: str, fused: bool) -> None:
        super().__init__(plan, name, fused)
        self.part_of = plan.parts_of(plan.backward_passes, plan.backward_breaks)

    def part(self, node: Node) -> int:
        return self.part_of[self.plan.backward_levels.get(id(node), 0)]

    def parts(self) -> int:
        return self.part_of[-1] + 1

    def read(self, node: Node) -> tuple[str, str] | None:
        plan = self.plan
        if node.op == "grad_after":
            s = self.states.index(str(node.value))
            carry = self._carry(s)
            if s == 0:
                return f"d_{node.value}", f"{carry} + read(output_grad + {VECTORS}, inside)"
            return f"d_{node.value}", carry
        if node.op == "operand_grad":
            p = int(float(node.value))
            return f"d_operand{p}", f"read(operand_grad_{p} + rows * H + units, inside)"
        if node.op == "state":
            return self._state(self.states.index(str(node.value)))
        if id(node) in plan.kept and node.shape == "vector":
            name = f"x_{node.value}" if node.op == "fed" else self.labels.get(node, "saved")
            return name, f"read({self.slot(plan.kept[id(node)])}, inside)"
        if id(node) in plan.numbers:
            place = f"numbers + (t * B + rows) * {len(plan.numbers)} + {plan.numbers[id(node)]}"
            return self.labels.get(node, "n"), f"read({place}, rows < B)"
        return self.shared(node)

    def _carry(self, s: int) -> str:
        """dL/d of a state after the step, but for what flows in from the output."""
        if self.fused:
            return f"grad_{s}"
        if f"carry_{s}" not in self.lines.loads:
            place = f"grads + (((t + 1) % 2 * {len(self.states)} + {s}) * B + rows) * H + units"
            parts = [f"read({place}, inside)"]
            for p, product in enumerate(self.plan.products):
                if product.operand.op == "state" and product.operand.value == self.states[s]:
                    parts.append(f"read(operand_grad_{p} + rows * H + units, inside)")
            self.lines.loads[f"carry_{s}"] = " + ".join(parts)
        return f"carry_{s}"

    def _state(self, s: int) -> tuple[str, str]:
        name = f"state_{self.states[s]}"
        if s == 0:
            return name, f"read(history + {VECTORS}, inside)"
        slot = self.slot(self.plan.state_slots[s], "(t - 1) * B + rows")
        first = f"read(initial + ({s} * B + rows) * H + units, inside & (t == 0))"
        return name, f"{first} + read({slot}, inside & (t > 0))"

    def store(self, number: int) -> None:
        plan, derivative, stores = self.plan, self.plan.derivative, self.lines.stores
        zero = plan.equations.graph.constant(0)
        last = number == self.parts() - 1
        of_slot = {
            plan.fed_grad_slot + place: derivative.fed.get(gate, zero)
            for place, gate in enumerate(plan.equations.gates)
        }
        for p, nodes in enumerate(derivative.products):
            for gate, node in enumerate(nodes):
                of_slot.setdefault(plan.grad_slots[p][gate], node)
                if self.part(node) == number:
                    self._store_product_grad(p, gate, self._masked(node))
        for slot, node in of_slot.items():
            if last:
                stores.append(f"write({self.slot(slot)}, {self._masked(node)}, inside)")
        for s, state in enumerate(self.states):
            node = derivative.state.get(state, zero)
            if self.part(node) == number:
                self._store_state_grad(s, f"tl.where(valid, {self.value(node)}, {self._carry(s)})")
        for place, own in enumerate(plan.equations.owns):
            if own in self._owns() and self.part(derivative.own[own]) == number:
                self._add_to_own(place, self._masked(derivative.own[own]))
        if derivative.input is not None and self.part(derivative.input) == number:
            value = self._masked(derivative.input)
            stores.append(f"write(input_grad + {VECTORS}, {value}, inside)")

    def _owns(self) -> list[str]:
        elsewhere = self.plan.own_of_gate | self.plan.own_of_own
        return [own for own in self.plan.derivative.own if own not in elsewhere]

    def _masked(self, node: Node) -> str:
        return f"tl.where(valid, {self.value(node)}, 0.0)"

    def _store_product_grad(self, p: int, gate: int, value: str) -> None:
        if self.fused:
            self.lines.stores.append(f"product_grad_{p}_{gate} = {value}.to(PRODUCT)")
            return
        gates = len(self.plan.products[p].gates)
        place = f"product_grad_{p} + (rows * {gates} + {gate}) * H + units"
        self.lines.stores.append(f"write({place}, {value}, inside)")

    def _store_state_grad(self, s: int, value: str) -> None:
        if self.fused:
            self.lines.stores.append(f"new_{s} = {value}")
            return
        place = f"grads + ((t % 2 * {len(self.states)} + {s}) * B + rows) * H + units"
        self.lines.stores.append(f"write({place}, {value}, inside)")

    def _add_to_own(self, place: int, value: str) -> None:
        if self.fused:
            self.lines.stores.append(f"own_grad_{place} += {value}")
            return
        address = f"own_grads + ({place} * B + rows) * H + units"
        self.lines.loads[f"own_grad_{place}"] = f"read({address}, inside)"
        self.lines.stores.append(f"write({address}, own_grad_{place} + {value}, inside)")

    def loop(self, text: str) -> str:
        plan, count = self.plan, len(self.states)
        before, after = self._square(), []
        for p, product in enumerate(plan.products):
            s = self.states.index(str(product.operand.value))
            for gate in range(len(product.gates)):
                place = f"W_{p} + ({gate} * H + into) * H + units"
                before.append(f"W_{p}_{gate} = read({place}, square)")
                back = f"product(product_grad_{p}_{gate}, W_{p}_{gate}, REAL, WIDEN)"
                text += f"        new_{s} += {back}\n"
        for s in range(count):
            place = f"grads + ((T % 2 * {count} + {s}) * B + rows) * H + units"
            before.append(f"grad_{s} = read({place}, inside)")
            text += f"        grad_{s} = new_{s}\n"
            after.append(f"write(grads + ({s} * B + rows) * H + units, grad_{s}, inside)")
        for number, own in enumerate(plan.equations.owns):
            if own in self._owns():
                before.append(f"own_grad_{number} = tl.zeros((ROWS, UNITS), REAL)")
                address = f"own_grads + ({number} * B + rows) * H + units"
                after.append(f"write({address}, own_grad_{number}, inside)")
        return _framed(BACKWARD_LOOP, before, text, after)


def _framed(frame: str, before: list[str], text: str, after: list[str]) -> str:
    first = "".join(f"    {line}\n" for line in before)
    last = "".join(f"    {line}\n" for line in after)
    return frame.replace("BEFORE", first).replace("STEP", text).replace("AFTER", last)

"""A step of a cell backward, or all of them: the gradients, from what the tape holds."""

from __future__ import annotations

from seqline_plugins.recurrence.generated.gpu.direction import VECTORS, Direction, framed
from seqline_plugins.recurrence.generated.gpu.functions import BACKWARD_LOOP
from seqline_plugins.recurrence.generated.graph import Node
from seqline_plugins.recurrence.generated.plan import Plan


class Backward(Direction):
    """Writes a step backward."""

    def __init__(self, plan: Plan, name: str, fused: bool) -> None:
        super().__init__(plan, name, fused)
        self.part_of = plan.parts_of(plan.backward_passes, plan.backward_breaks)

    def part(self, node: Node) -> int:
        """Return the part that a value is made in, by the level that it has in the plan."""
        return self.part_of[self.plan.backward_levels.get(id(node), 0)]

    def parts(self) -> int:
        """Return how many parts a step has."""
        return self.part_of[-1] + 1

    def read(self, node: Node) -> tuple[str, str] | None:
        """Return the name and the expression of what is read from memory, or None."""
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
        """Write what part `number` stores: gradients of products, states, own vectors, inputs."""
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
        """Return all steps, states and matrices in registers, around the text of one."""
        plan, count = self.plan, len(self.states)
        before, after = self.square(), []
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
        return framed(BACKWARD_LOOP, before, text, after)

"""A step of a cell forward, or all of them: as `forward`, which keeps the tape, and as `infer`."""

from __future__ import annotations

from seqline_plugins.recurrence.generated.gpu.direction import Direction, framed
from seqline_plugins.recurrence.generated.gpu.functions import FORWARD_LOOP
from seqline_plugins.recurrence.generated.graph import Node
from seqline_plugins.recurrence.generated.plan import Plan


class Forward(Direction):
    """Writes a step forward: `forward` keeps what `backward` asks for, `infer` nothing."""

    def __init__(self, plan: Plan, name: str, fused: bool) -> None:
        super().__init__(plan, name, fused)
        self.keeps = name == "forward"
        self.part_of = plan.parts_of(plan.forward_passes, plan.forward_breaks)

    def part(self, node: Node) -> int:
        """Return the part that a value is made in, by the level that it has in the plan."""
        return self.part_of[self.plan.forward_levels[id(node)]]

    def parts(self) -> int:
        """Return how many parts a step has."""
        return self.part_of[-1] + 1

    def read(self, node: Node) -> tuple[str, str] | None:
        """Return the name and the expression of what is read from memory, or None."""
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
        """Write what part `number` stores: new states, operands of products, the tape."""
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
        """Return all steps, states and matrices in registers, around the text of one."""
        count = len(self.states)
        before, after = self.square(), []
        for p, product in enumerate(self.plan.products):
            for gate in range(len(product.gates)):
                place = f"W_{p} + ({gate} * H + units) * H + into"
                before.append(f"W_{p}_{gate} = read({place}, square)")
        for s in range(count):
            before.append(f"state_{s} = read(initial + ({s} * B + rows) * H + units, inside)")
            place = f"states + ((T % 2 * {count} + {s}) * B + rows) * H + units"
            text += f"        state_{s} = new_{s}\n"
            after.append(f"write({place}, state_{s}, inside)")
        return framed(FORWARD_LOOP, before, text, after)

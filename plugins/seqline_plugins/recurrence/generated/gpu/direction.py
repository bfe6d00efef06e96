"""What the functions of both directions have in common: values, their places, their lines."""

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
from seqline_plugins.recurrence.generated.graph import Node
from seqline_plugins.recurrence.generated.naming import free_name
from seqline_plugins.recurrence.generated.plan import Plan

VECTORS = "(t * B + rows) * H + units"
BUFFERS = """tape numbers history initial states owns noises input lengths scratch scratch_numbers
output_grad grads own_grads input_grad"""

_WRITTEN = " ".join([HEADER, STEP, FORWARD_LOOP, BACKWARD_LOOP, *OPERATIONS.values(), BUFFERS])
RESERVED = {*keyword.kwlist, "into", "square", *re.findall(r"[A-Za-z_]\w*", _WRITTEN)}
"""Words that mean something in the source: a value of such a name gets a number."""


def numbered(plan: Plan) -> list[str]:
    """Return the names of the buffers of each product."""
    kinds = ("W", "operand", "product", "product_grad", "operand_grad")
    return [f"{kind}_{p}" for p in range(len(plan.products)) for kind in kinds]


@dataclass
class Lines:
    """The lines of one function's step, in the order in which they stand."""

    loads: dict[str, str] = field(default_factory=dict)
    work: list[str] = field(default_factory=list)
    stores: list[str] = field(default_factory=list)


class Direction:
    """Writes the functions of one direction; `fused`: one function, states in registers."""

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
        """Return the number of the part that a value is made in."""
        raise NotImplementedError

    def parts(self) -> int:
        """Return how many parts a step has."""
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
            self.lines, self.number, self.crossing = Lines(), number, crossing
            self.of: dict[int, str] = {}
            numbers = range(len(self.states) + len(self.plan.equations.owns))
            kinds = ("state", "new", "carry", "grad", "own_grad")
            self.taken = {f"{kind}_{n}" for kind in kinds for n in numbers}
            self.taken |= set(numbered(self.plan))
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

    def square(self) -> list[str]:
        """What the loading of whole matrices needs."""
        if not self.plan.products:
            return []
        return ["into = tl.arange(0, UNITS)[:, None]", "square = (into < H) & (units < H)"]

    def slot(self, number: int, token: str = "t * B + rows") -> str:
        """The address of a slot of the tape."""
        return f"tape + (({token}) * {self.plan.slots} + {number}) * H + units"


def framed(frame: str, before: list[str], text: str, after: list[str]) -> str:
    """Return a loop over time: what stands before it, the text of a step, what stands after."""
    first = "".join(f"    {line}\n" for line in before)
    last = "".join(f"    {line}\n" for line in after)
    return frame.replace("BEFORE", first).replace("STEP", text).replace("AFTER", last)

"""The small graph that a cell's equations become: what is computed from what, for one row.

A node's shape is "vector" (one number a unit, H of them), "number" (one a row: a sum over H) or
"constant". Equal nodes are one object, so that nothing is computed twice.

    leaves     constant, inverse_hidden (1/H), fed (W_F x + b of a gate), state, own, noise, input
    product    W_R v of a gate, for any vector v
    sum        over H
    pointwise  POINTWISE, as torch computes them
    backward   grad_after (dL/d new state), operand_grad (dL/d v of a product)

Letters: H hidden size.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property

from seqline_plugins.recurrence.generated.sums import sum_of, together

LEAVES = ("constant", "inverse_hidden", "fed", "state", "own", "noise", "input", "product")
"""What has a name already, that of what it reads, and is there before the step or the pass."""

OF_BACKWARD = ("grad_after", "operand_grad")

POINTWISE = {
    "add": "{0} + {1}",
    "sub": "{0} - {1}",
    "mul": "{0} * {1}",
    "div": "{0} / {1}",
    "neg": "-{0}",
    "abs": "absolute({0})",
    "exp": "exponential({0})",
    "tanh": "tanh({0})",
    "sigmoid": "sigmoid({0})",
    "log": "logarithm({0})",
    "log1p": "log_one_plus({0})",
    "sqrt": "square_root({0})",
    "sin": "sine({0})",
    "cos": "cosine({0})",
    "erf": "error_function({0})",
    "power": "power({0}, {value})",
    "max": "larger({0}, {1})",
    "min": "smaller({0}, {1})",
    "less": "is_less({0}, {1})",
    "at_most": "is_at_most({0}, {1})",
    "equal": "is_equal({0}, {1})",
    "where": "where({0}, {1}, {2})",
    "stop": "{0}",
}
"""The pointwise operations and how the C++ source writes them."""

OF_NUMBERS = {
    **{op: POINTWISE[op] for op in ("add", "sub", "mul", "div", "neg")},
    "sqrt": "std::sqrt({0})",
}
"""Those of numbers, the same in all lanes, that are done once and not in every lane."""


@dataclass(frozen=True, eq=False)
class Node:
    """One value: an operation on other nodes, or a leaf with its name or number."""

    op: str
    args: tuple[Node, ...] = ()
    value: str | float = ""
    shape: str = "vector"

    @property
    def is_awaited(self) -> bool:
        """Whether all units are needed first; a product of a state is there before the step."""
        if self.op == "product":
            return self.args[0].op != "state"
        return self.op in ("sum", "operand_grad")

    def __repr__(self) -> str:
        inside = [*map(repr, self.args), *([repr(self.value)] if self.value != "" else [])]
        return f"{self.op}({', '.join(inside)})"


@dataclass
class Graph:
    """Nodes of which equal ones are the same; `node` makes or finds them, simplified.

    `waits` says for how many sums and products of made vectors, one after the other, a node has to
    wait; none if it is not listed.
    """

    known: dict[tuple[str, tuple[int, ...], str | float], Node] = field(default_factory=dict)
    waits: dict[Node, int] = field(default_factory=dict)

    def leaf(self, op: str, value: str | float = "", shape: str = "vector") -> Node:
        """Return a leaf."""
        return self._one(op, (), value, shape)

    def constant(self, value: float) -> Node:
        """Return a constant."""
        return self._one("constant", (), float(value), "constant")

    def node(self, op: str, *args: Node, value: str | float = "") -> Node:
        """Return the node of an operation; a sum gives a number, others their widest operand."""
        simple = self._simplified(op, args)
        if simple is not None:
            return simple
        if op == "sum":
            shape = "number"
        elif op == "product":
            shape = "vector"
        else:
            shapes = {arg.shape for arg in args}
            shape = next(s for s in ("vector", "number", "constant") if s in shapes)
        return self._one(op, args, value, shape)

    def _one(self, op: str, args: tuple[Node, ...], value: str | float, shape: str) -> Node:
        key = (op, tuple(map(id, args)), value)
        if key not in self.known:
            found = self.known[key] = Node(op, args, value, shape)
            waits = found.is_awaited + max([0, *(self.waits.get(arg, 0) for arg in args)])
            if waits:
                self.waits[found] = waits
        return self.known[key]

    def _simplified(self, op: str, args: tuple[Node, ...]) -> Node | None:
        """What needs no operation: x + 0, x · 1, −(−x), numbers alone; sums that are one sum."""
        numbers = [float(a.value) if a.op == "constant" else None for a in args]
        if op in ("add", "sub", "mul", "div") and None not in numbers:
            a, b = numbers[0] or 0.0, numbers[1] or 0.0
            if op != "div" or b:
                return self.constant(
                    {"add": a + b, "sub": a - b, "mul": a * b, "div": a / (b or 1)}[op]
                )
        if op == "add":
            if 0 in numbers:
                return args[1] if numbers[0] == 0 else args[0]
            return together(self, args[0], args[1])
        if op == "sub":
            if numbers[1] == 0:
                return args[0]
            return together(self, args[0], args[1], sign=-1.0)
        if op == "sum":
            return sum_of(self, args[0])
        if op == "mul":
            return args[1] if numbers[0] == 1 else args[0] if numbers[1] == 1 else None
        if op == "div":
            return args[0] if numbers[1] == 1 else None
        if op == "neg":
            if numbers[0] is not None:
                return self.constant(-numbers[0])
            return args[0].args[0] if args[0].op == "neg" else None
        return None


def in_order(ends: Iterable[Node]) -> list[Node]:
    """Return the ends and all they need, every node after its operands."""
    seen: dict[int, Node] = {}
    waiting = [(node, False) for node in reversed(list(ends))]
    while waiting:
        node, ready = waiting.pop()
        if id(node) in seen:
            continue
        if ready:
            seen[id(node)] = node
            continue
        waiting.append((node, True))
        waiting += [(arg, False) for arg in reversed(node.args) if id(arg) not in seen]
    return list(seen.values())


@dataclass(frozen=True)
class Product:
    """W_R v for some gates and one vector v: one matrix product."""

    operand: Node
    gates: tuple[str, ...]
    nodes: tuple[Node, ...]


@dataclass(frozen=True)
class Equations:
    """A cell's equations as traced: the new states, and the names that stand for the rest.

    `gates` are those with rows in W_F, `recurrent` all of them. `names` are what the cell's own
    code calls its values; they mean nothing to what is computed.
    """

    graph: Graph
    gates: tuple[str, ...]
    recurrent: tuple[str, ...]
    states: tuple[str, ...]
    owns: tuple[str, ...]
    noises: tuple[str, ...]
    new: dict[str, Node]
    names: dict[Node, str] = field(default_factory=dict)

    @cached_property
    def products(self) -> tuple[Product, ...]:
        """The matrix products, gates of the same operand together, in the order of need."""
        found: dict[int, list[Node]] = {}
        for node in in_order(self.new.values()):
            if node.op == "product":
                found.setdefault(id(node.args[0]), []).append(node)
        products = []
        for nodes in found.values():
            ordered = sorted(nodes, key=lambda node: self.recurrent.index(str(node.value)))
            gates = tuple(str(node.value) for node in ordered)
            products.append(Product(ordered[0].args[0], gates, tuple(ordered)))
        return tuple(products)

    def text(self) -> str:
        """Return the equations, a line a node, the same for the same equations."""
        names: dict[int, str] = {}
        lines = [f"gates {self.gates} states {self.states} own {self.owns} noise {self.noises}"]
        for number, node in enumerate(in_order(self.new.values())):
            names[id(node)] = f"v{number}"
            args = " ".join(names[id(arg)] for arg in node.args)
            lines.append(f"v{number} = {node.op} {args} {node.value!r}".replace("  ", " "))
        lines += [f"{state} <- {names[id(node)]}" for state, node in self.new.items()]
        return "\n".join(lines)

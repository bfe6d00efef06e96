"""A traced cell as a person reads it: its equations and their derivative, a line a named value.

x.G  W_F x_t + b of the gate G      h.G  W_R h_{t-1}      recurrent(G, v)  W_R v
state.h, own.p, noise.n             what the cell declares    x_t  the input itself
new.h                               the state after the step
d y                                 dL/dy, the derivative of the loss by y
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from seqline_plugins.recurrence.generated.graph import (
    LEAVES,
    OF_BACKWARD,
    Equations,
    Node,
    Product,
    in_order,
)
from seqline_plugins.recurrence.generated.plan import Plan
from seqline_plugins.recurrence.generated.trace import BIAS, DIAGONAL, RECURRENT_BIAS

WIDTH = 78
LONG = 56
"""Characters from which a value gets a line, and a name, of its own."""

SUM, FACTOR, SIGN, POWER, WHOLE = range(5)
INFIX = {"add": (" + ", SUM), "sub": (" - ", SUM), "mul": (" * ", FACTOR), "div": (" / ", FACTOR)}
COMPARED = {"less": "<", "at_most": "<=", "equal": "=="}
CALLED = {"max": "maximum", "min": "minimum", "stop": "detach"}

Named = tuple[str, Node]
Text = tuple[str, int]


@dataclass(frozen=True)
class Reading:
    """A cell's equations and derivative in lines, and what the tape keeps, by the same names.

    `repeated` is what the derivative computes again from what is kept, where it costs more than
    sums and products.
    """

    equations: list[str]
    derivative: list[str]
    kept: list[str]
    repeated: list[str]


def read(plan: Plan) -> Reading:
    """Return a planned cell as a person reads it."""
    names = dict(plan.equations.names)
    for node, grad in plan.derivative.of.items():
        if node in names and grad.op not in (*LEAVES, *OF_BACKWARD):
            names.setdefault(grad, f"d {names[node]}")
    writer = _Writer(plan.equations, names)
    new = [(f"new.{state}", node) for state, node in plan.equations.new.items()]
    equations = writer.lines(new)
    derivative = writer.lines(*_ends_of_derivative(plan, writer))
    kept = [n for n in plan.forward_order if id(n) in plan.kept or id(n) in plan.numbers]
    return Reading(
        equations,
        derivative + _of_weights(plan.equations),
        [writer.text(node)[0] for node in kept],
        [writer.text(node)[0] for node in _repeated(plan)],
    )


def _ends_of_derivative(plan: Plan, writer: _Writer) -> tuple[list[Named], dict[str, str]]:
    """Return the derivatives that the cell's code yields, and what the host adds to them."""
    equations, derivative = plan.equations, plan.derivative
    ends: list[Named] = [(f"d x.{gate}", node) for gate, node in derivative.fed.items()]
    back: dict[str, list[str]] = {}
    for product, nodes in zip(equations.products, derivative.products, strict=True):
        places = [writer.product(one)[0] for one in product.nodes]
        ends += [(f"d {place}", node) for place, node in zip(places, nodes, strict=True)]
        if product.operand.op == "state":
            back.setdefault(str(product.operand.value), []).append(_transposed(product, places))
    ends += [(f"d {writer.own(name)}", node) for name, node in derivative.own.items()]
    if derivative.input is not None:
        ends.append(("d x_t", derivative.input))
    zero = equations.graph.constant(0)
    ends += [(f"d state.{s}", derivative.state.get(s, zero)) for s in equations.states]
    return ends, {f"d state.{state}": " + ".join(parts) for state, parts in back.items()}


def _repeated(plan: Plan) -> list[Node]:
    after: set[Node] = set()
    found = []
    cheap = (*LEAVES, *INFIX, *COMPARED, "neg", "where")
    for node in in_order(plan.derivative.ends()):
        if node.op in OF_BACKWARD or any(arg in after for arg in node.args):
            after.add(node)
        elif id(node) in plan.backward_levels and node.op not in cheap:
            found.append(node)
    return [node for node in found if id(node) not in plan.kept.keys() | plan.numbers.keys()]


def wrapped(line: str, indent: str = "    ") -> list[str]:
    """Return a line in pieces of at most `WIDTH`, the first as it stands."""
    held = re.sub(r"\bd (?=\S)", "d\N{NO-BREAK SPACE}", line)
    held = re.sub(r" ([-+*/⊗=]) ", " \\1\N{NO-BREAK SPACE}", held)
    lines = textwrap.wrap(
        held, WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
    return [one.replace("\N{NO-BREAK SPACE}", " ") for one in lines]


class _Writer:
    """Writes nodes as expressions in which named nodes stand by their names."""

    def __init__(self, equations: Equations, names: Mapping[Node, str]) -> None:
        self.equations, self.names = equations, dict(_distinct(names))
        self.output = equations.states[0]
        self.said: set[Node] = set()

    def lines(self, ends: list[Named], added: Mapping[str, str] | None = None) -> list[str]:
        """Return a line for every named value that the ends need, then one for every end.

        What earlier lines said is not said again. `added` stands after an end's expression.
        """
        order = in_order(node for _, node in ends)
        uses: dict[Node, int] = {}
        for node in order:
            for arg in node.args:
                uses[arg] = uses.get(arg, 0) + 1
        lines: list[str] = []
        for node in order:
            if node.op in (*LEAVES, *OF_BACKWARD):
                continue
            text, _ = self.written(node)
            often = uses.get(node, 0) > 1 and node.op != "neg" and len(text) > 12
            if node not in self.names and (often or (len(text) > LONG and node in uses)):
                self.names[node] = self._name_for(node)
            if node in self.names and node not in self.said:
                self.said.add(node)
                lines += wrapped(f"{self.names[node]} = {text}")
        for name, node in ends:
            if self.names.get(node) == name:
                continue
            text, more = self.text(node)[0], (added or {}).get(name)
            if more is not None:
                text = more if text == "0" else f"{text} + {more}"
            lines += wrapped(f"{name} = {text}")
            if node.op not in LEAVES:
                self.names.setdefault(node, name)
                self.said.add(node)
        return lines

    def _name_for(self, node: Node) -> str:
        """Return a name after what a value is: tanh_c, mean1, and t1 for what has no word."""
        wish = CALLED.get(node.op, node.op)
        if len(node.args) == 1 and node.args[0] in self.names:
            wish = f"{wish}_{re.sub(r'[^A-Za-z0-9]+', '_', self.names[node.args[0]])}"
            if wish not in self.names.values():
                return wish
        elif node.op in INFIX or node.op not in ("sum", "exp", "tanh", "sigmoid"):
            wish = "mean" if self._mean_of(node) is not None else "t"
        number = 1
        while f"{wish}{number}" in self.names.values():
            number += 1
        return f"{wish}{number}"

    def text(self, node: Node) -> Text:
        """Return a node's name, or its expression where it has none, and how tightly it holds."""
        return (self.names[node], WHOLE) if node in self.names else self.written(node)

    def written(self, node: Node) -> Text:
        """Return a node's expression."""
        leaf = WRITTEN.get(node.op)
        if leaf is not None:
            return leaf(self, node)
        mean = self._mean_of(node)
        if mean is not None:
            return f"mean({self.text(mean)[0]})", WHOLE
        if node.op == "mul" and node.args[0] is node.args[1] and node.args[0].op != "constant":
            return f"{self.within(node.args[0], WHOLE)}**2", POWER
        if node.op in INFIX:
            sign, holds = INFIX[node.op]
            second = node.args[1]
            if node.op == "add" and second.op == "neg" and second not in self.names:
                return (
                    f"{self.within(node.args[0], SUM)} - {self.within(second.args[0], FACTOR)}",
                    SUM,
                )
            right = self.within(second, holds + 1)
            return f"{self.within(node.args[0], holds)}{sign}{right}", holds
        if node.op == "neg":
            return f"-{self.within(node.args[0], POWER)}", SIGN
        if node.op == "power":
            return f"{self.within(node.args[0], WHOLE)}**{_number(float(node.value))}", POWER
        if node.op in COMPARED:
            a, b = (self.within(arg, SUM) for arg in node.args)
            return f"({a} {COMPARED[node.op]} {b})", WHOLE
        inside = ", ".join(self.text(arg)[0] for arg in node.args)
        return f"{CALLED.get(node.op, node.op)}({inside})", WHOLE

    def within(self, node: Node, holds: int) -> str:
        """Return a node's text, in brackets where it holds less tightly."""
        text, own = self.text(node)
        return text if own >= holds else f"({text})"

    def product(self, node: Node) -> Text:
        """Return W_R v of a gate."""
        operand = node.args[0]
        if operand.op == "state" and operand.value == self.output:
            return f"h.{node.value}", WHOLE
        return f"recurrent({node.value}, {self.text(operand)[0]})", WHOLE

    def own(self, name: str) -> str:
        """Return a parameter of the cell's own, or a gate's bias or diagonal that stands apart."""
        for before, letter in ((DIAGONAL, "w_R"), (RECURRENT_BIAS, "b_R"), (BIAS, "b")):
            if name.startswith(before):
                return f"{letter}.{name.removeprefix(before)}"
        return f"own.{name}"

    def _mean_of(self, node: Node) -> Node | None:
        """Return what a node is the mean of: a sum times 1/H."""
        if node.op != "mul" or node.args[1].op != "inverse_hidden" or node.args[0].op != "sum":
            return None
        return node.args[0].args[0] if node.args[0] not in self.names else None

    def _back(self, node: Node) -> Text:
        """Return W_R^T dL/d(W_R v), the derivative of a vector that the cell makes."""
        product = self.equations.products[int(float(node.value))]
        pairs = zip(product.gates, node.args, strict=True)
        return " + ".join(f"W_R.{g}^T ({self.text(arg)[0]})" for g, arg in pairs), SUM


WRITTEN: dict[str, Callable[[_Writer, Node], Text]] = {
    "constant": lambda writer, node: (_number(float(node.value)), WHOLE),
    "inverse_hidden": lambda writer, node: ("1 / H", FACTOR),
    "fed": lambda writer, node: (f"x.{node.value}", WHOLE),
    "state": lambda writer, node: (f"state.{node.value}", WHOLE),
    "own": lambda writer, node: (writer.own(str(node.value)), WHOLE),
    "noise": lambda writer, node: (f"noise.{node.value}", WHOLE),
    "input": lambda writer, node: ("x_t", WHOLE),
    "product": _Writer.product,
    "grad_after": lambda writer, node: (f"d new.{node.value}", WHOLE),
    "operand_grad": _Writer._back,
}
"""How leaves are written, and what flows through a product."""


def _number(value: float) -> str:
    return str(int(value)) if value.is_integer() else f"{value:.6g}"


def _distinct(names: Mapping[Node, str]) -> Iterator[tuple[Node, str]]:
    """Give every node its name, a number added where an earlier one has it."""
    taken: set[str] = set()
    for node, name in names.items():
        number, wish = 1, name
        while name in taken:
            number += 1
            name = f"{wish}{number}"
        taken.add(name)
        yield node, name


def _transposed(product: Product, places: list[str]) -> str:
    """Return W_R^T dL/d(W_R v) over the gates of a product of a state."""
    if len(places) == 1:
        return f"W_R.{product.gates[0]}^T d {places[0]}"
    return "sum_G(W_R.G^T d h.G)"


def _of_weights(equations: Equations) -> list[str]:
    """Return how the host makes the weights' derivatives, all steps in one product."""
    lines = ["d W_F.G = sum_t(d x.G ⊗ x_t)", "d b.G = sum_t(d x.G)"] if equations.gates else []
    for product in equations.products:
        if product.operand == equations.graph.leaf("state", equations.states[0]):
            lines.append("d W_R.G = sum_t(d h.G ⊗ state." + f"{equations.states[0]})")
        else:
            lines += [f"d W_R.{g} = sum_t(d recurrent({g}, v) ⊗ v)" for g in product.gates]
    return lines

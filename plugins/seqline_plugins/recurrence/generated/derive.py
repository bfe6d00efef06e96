"""The derivative of a cell's equations, as nodes of the same graph (reverse mode).

Given dL/d(new state), it yields dL/d of everything that the equations read at one timestep. What
flows through a product reaches its operand v as `operand_grad`, W_R^T dL/d(W_R v), which the host
computes; where v is a state, the host adds it to that state's gradient after all else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from seqline_plugins.recurrence.generated.graph import Equations, Graph, Node, in_order

TWO_OVER_ROOT_PI = 1.1283791670955126


@dataclass
class Derivative:
    """dL/d of what one timestep reads; a name that is missing has no gradient.

    `of` has dL/d of every value in between as well.
    """

    fed: dict[str, Node] = field(default_factory=dict)
    state: dict[str, Node] = field(default_factory=dict)
    own: dict[str, Node] = field(default_factory=dict)
    products: list[tuple[Node, ...]] = field(default_factory=list)
    input: Node | None = None
    of: dict[Node, Node] = field(default_factory=dict)

    def ends(self) -> list[Node]:
        """All of its nodes."""
        found = [*self.fed.values(), *self.state.values(), *self.own.values()]
        found += [node for nodes in self.products for node in nodes]
        return [*found, *([self.input] if self.input is not None else [])]


def derive(equations: Equations) -> Derivative:
    """Return the derivative of the equations."""
    return _Reverse(equations).run()


class _Reverse:
    def __init__(self, equations: Equations) -> None:
        self.equations, self.graph = equations, equations.graph
        self.graph.waits.clear()  # the values of the forward pass are there
        self.grads: dict[int, list[Node]] = {}

    def run(self) -> Derivative:
        for state, node in self.equations.new.items():
            self._give(node, self.graph.leaf("grad_after", state))
        products = self.equations.products
        place = {id(n): (p, g) for p, one in enumerate(products) for g, n in enumerate(one.nodes)}
        order = in_order(self.equations.new.values())
        grad_of: dict[int, Node] = {}
        done: dict[int, int] = {}
        for node in reversed(order):
            grad = self._taken(node)
            if node.op == "product":
                p, _ = place[id(node)]
                grad_of[id(node)] = self.graph.constant(0) if grad is None else grad
                done[p] = done.get(p, 0) + 1
                operand = products[p].operand
                if done[p] == len(products[p].nodes) and operand.op != "state":
                    ends = tuple(grad_of[id(one)] for one in products[p].nodes)
                    key = float(p)
                    given = self.graph.node("operand_grad", *ends, value=key)
                    self._give(operand, given)
            elif grad is not None:
                grad_of[id(node)] = grad
                self._pass_on(node, grad)
        found = Derivative()
        for node in order:
            if id(node) not in grad_of:
                continue
            found.of[node] = grad_of[id(node)]
            if node.op in ("fed", "state", "own"):
                getattr(found, node.op)[str(node.value)] = grad_of[id(node)]
            elif node.op == "input":
                found.input = grad_of[id(node)]
        found.products = [tuple(grad_of[id(n)] for n in one.nodes) for one in products]
        return found

    def _give(self, node: Node, grad: Node) -> None:
        if node.shape == "number" and grad.shape == "vector":
            grad = self.graph.node("sum", grad)
        self.grads.setdefault(id(node), []).append(grad)

    def _taken(self, node: Node) -> Node | None:
        grads = self.grads.get(id(node))
        if not grads:
            return None
        found = grads[0]
        for grad in grads[1:]:
            found = self.graph.node("add", found, grad)
        return found

    def _pass_on(self, node: Node, grad: Node) -> None:
        if node.op == "sum":
            self._give(node.args[0], grad)
            return
        rule = RULES.get(node.op)
        if rule is None:
            return
        for arg, found in zip(node.args, rule(self.graph, node, grad), strict=True):
            if found is not None and arg.shape != "constant":
                self._give(arg, found)


Rule = Callable[[Graph, Node, Node], tuple[Node | None, ...]]


def _mul(graph: Graph, node: Node, grad: Node) -> tuple[Node, Node]:
    a, b = node.args
    return graph.node("mul", grad, b), graph.node("mul", grad, a)


def _div(graph: Graph, node: Node, grad: Node) -> tuple[Node, Node]:
    over = graph.node("div", grad, node.args[1])
    return over, graph.node("neg", graph.node("mul", over, node))


def _tanh(graph: Graph, node: Node, grad: Node) -> tuple[Node]:
    slope = graph.node("sub", graph.constant(1), graph.node("mul", node, node))
    return (graph.node("mul", grad, slope),)


def _sigmoid(graph: Graph, node: Node, grad: Node) -> tuple[Node]:
    rest = graph.node("sub", graph.constant(1), node)
    return (graph.node("mul", grad, graph.node("mul", node, rest)),)


def _log1p(graph: Graph, node: Node, grad: Node) -> tuple[Node]:
    return (graph.node("div", grad, graph.node("add", graph.constant(1), node.args[0])),)


def _sqrt(graph: Graph, node: Node, grad: Node) -> tuple[Node]:
    half = graph.node("mul", graph.constant(0.5), grad)
    return (graph.node("div", half, node),)


def _abs(graph: Graph, node: Node, grad: Node) -> tuple[Node]:
    zero, a = graph.constant(0), node.args[0]
    sign = graph.node("sub", graph.node("less", zero, a), graph.node("less", a, zero))
    return (graph.node("mul", grad, sign),)


def _cos(graph: Graph, node: Node, grad: Node) -> tuple[Node]:
    return (graph.node("neg", graph.node("mul", grad, graph.node("sin", node.args[0]))),)


def _erf(graph: Graph, node: Node, grad: Node) -> tuple[Node]:
    a = node.args[0]
    bell = graph.node("exp", graph.node("neg", graph.node("mul", a, a)))
    return (graph.node("mul", grad, graph.node("mul", graph.constant(TWO_OVER_ROOT_PI), bell)),)


def _power(graph: Graph, node: Node, grad: Node) -> tuple[Node]:
    exponent = float(node.value)
    lower = graph.node("power", node.args[0], value=exponent - 1)
    return (graph.node("mul", grad, graph.node("mul", graph.constant(exponent), lower)),)


def _larger(graph: Graph, node: Node, grad: Node) -> tuple[Node, Node]:
    """As torch: where both are equal each takes half."""
    a, b = node.args
    tie = graph.node("mul", graph.constant(0.5), graph.node("equal", a, b))
    a_wins, b_wins = graph.node("less", b, a), graph.node("less", a, b)
    if node.op == "min":
        a_wins, b_wins = b_wins, a_wins
    return (
        graph.node("mul", grad, graph.node("add", a_wins, tie)),
        graph.node("mul", grad, graph.node("add", b_wins, tie)),
    )


def _where(graph: Graph, node: Node, grad: Node) -> tuple[None, Node, Node]:
    mask, zero = node.args[0], graph.constant(0)
    if mask.op == "at_most" and node.args == (mask, zero, mask.args[0]) and mask.args[1] is zero:
        mask = graph.node("at_most", node, zero)  # relu: what comes out tells as well
    return None, graph.node("where", mask, grad, zero), graph.node("where", mask, zero, grad)


RULES: dict[str, Rule] = {
    "add": lambda graph, node, grad: (grad, grad),
    "sub": lambda graph, node, grad: (grad, graph.node("neg", grad)),
    "mul": _mul,
    "div": _div,
    "neg": lambda graph, node, grad: (graph.node("neg", grad),),
    "abs": _abs,
    "exp": lambda graph, node, grad: (graph.node("mul", grad, node),),
    "tanh": _tanh,
    "sigmoid": _sigmoid,
    "log": lambda graph, node, grad: (graph.node("div", grad, node.args[0]),),
    "log1p": _log1p,
    "sqrt": _sqrt,
    "sin": lambda graph, node, grad: (graph.node("mul", grad, graph.node("cos", node.args[0])),),
    "cos": _cos,
    "erf": _erf,
    "power": _power,
    "max": _larger,
    "min": _larger,
    "where": _where,
}
"""What each operation gives back to its operands; others (comparisons, stop) give nothing."""

"""What each operation of torch (ATen) becomes in the graph."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from seqline_plugins.recurrence.generated.graph import Graph, Node


class UntraceableError(Exception):
    """A cell's equations do what no kernel is generated for; the message names it."""


Rule = Callable[..., Any]
OPERATIONS: dict[str, Rule] = {}


def _rule(*names: str) -> Callable[[Rule], Rule]:
    def keep(rule: Rule) -> Rule:
        for name in names:
            OPERATIONS[name] = rule
        return rule

    return keep


def _number(graph: Graph, value: Any) -> Node:
    return value if isinstance(value, Node) else graph.constant(value)


def _binary(op: str, swapped: bool = False) -> Rule:
    def rule(graph: Graph, a: Any, b: Any) -> Node:
        left, right = _number(graph, a), _number(graph, b)
        return graph.node(op, right, left) if swapped else graph.node(op, left, right)

    return rule


def _unary(op: str) -> Rule:
    return lambda graph, a: graph.node(op, a)


for _name in ("exp", "tanh", "sigmoid", "log", "log1p", "sqrt", "sin", "cos", "erf", "abs", "neg"):
    OPERATIONS[_name] = _unary(_name)
OPERATIONS |= {
    "mul": _binary("mul"),
    "maximum": _binary("max"),
    "minimum": _binary("min"),
    "lt": _binary("less"),
    "le": _binary("at_most"),
    "gt": _binary("less", swapped=True),
    "ge": _binary("at_most", swapped=True),
    "eq": _binary("equal"),
    "logical_and": _binary("mul"),
    "bitwise_and": _binary("mul"),
    "logical_or": _binary("max"),
    "bitwise_or": _binary("max"),
    "detach": _unary("stop"),
}


@_rule("clone", "alias", "_to_copy", "contiguous", "lift_fresh")
def _same(graph: Graph, a: Node, **_: Any) -> Node:
    return a


def _signed(op: str, swapped: bool = False) -> Rule:
    def rule(graph: Graph, a: Any, b: Any, alpha: float = 1) -> Node:
        left, right = _number(graph, a), _number(graph, b)
        scale = graph.constant(alpha)
        if swapped:
            return graph.node(op, right, graph.node("mul", scale, left))
        return graph.node(op, left, graph.node("mul", scale, right))

    return rule


OPERATIONS |= {
    "add": _signed("add"),
    "sub": _signed("sub"),
    "rsub": _signed("sub", swapped=True),
}


@_rule("div")
def _div(graph: Graph, a: Any, b: Any, rounding_mode: str | None = None) -> Node:
    if rounding_mode is not None:
        raise UntraceableError("the operation 'div' with rounding")
    return graph.node("div", _number(graph, a), _number(graph, b))


@_rule("reciprocal")
def _reciprocal(graph: Graph, a: Node) -> Node:
    return graph.node("div", graph.constant(1), a)


@_rule("rsqrt")
def _rsqrt(graph: Graph, a: Node) -> Node:
    return graph.node("div", graph.constant(1), graph.node("sqrt", a))


@_rule("expm1")
def _expm1(graph: Graph, a: Node) -> Node:  # near 0 through tanh, which keeps its precision there
    half = graph.node("tanh", graph.node("mul", graph.constant(0.5), a))
    return graph.node("mul", half, graph.node("add", graph.node("exp", a), graph.constant(1)))


@_rule("pow")
def _power(graph: Graph, a: Any, b: Any) -> Node:
    if isinstance(b, Node) or not isinstance(a, Node):
        raise UntraceableError("the operation 'pow' with an exponent that is a tensor")
    if b in (1, 2, 3, 4):
        found = a
        for _ in range(int(b) - 1):
            found = graph.node("mul", found, a)
        return found
    if b == 0.5:
        return graph.node("sqrt", a)
    return graph.node("power", a, value=float(b))


OPERATIONS["square"] = lambda graph, a: graph.node("mul", a, a)


def _positive(graph: Graph, a: Node) -> Node:
    return graph.node("less", graph.constant(0), a)


@_rule("relu")
def _relu(graph: Graph, a: Node) -> Node:  # a NaN is at most nothing: it stays
    return graph.node("where", graph.node("at_most", a, graph.constant(0)), graph.constant(0), a)


@_rule("leaky_relu")
def _leaky(graph: Graph, a: Node, slope: float = 0.01) -> Node:
    scaled = graph.node("mul", graph.constant(slope), a)
    return graph.node("where", _positive(graph, a), a, scaled)


@_rule("elu")
def _elu(graph: Graph, a: Node, alpha: float = 1, scale: float = 1, inner: float = 1) -> Node:
    inside = graph.node("where", _positive(graph, a), graph.constant(0), a)
    below = _expm1(graph, graph.node("mul", graph.constant(inner), inside))
    low = graph.node("mul", graph.constant(alpha * scale), below)
    high = graph.node("mul", graph.constant(scale), a)
    return graph.node("where", _positive(graph, a), high, low)


@_rule("silu")
def _silu(graph: Graph, a: Node) -> Node:
    return graph.node("mul", a, graph.node("sigmoid", a))


@_rule("gelu")
def _gelu(graph: Graph, a: Node, approximate: str = "none") -> Node:
    half = graph.node("mul", graph.constant(0.5), a)
    if approximate == "none":
        inside = graph.node("erf", graph.node("mul", graph.constant(2**-0.5), a))
    else:
        cube = graph.node("mul", graph.node("mul", a, a), a)
        sum_ = graph.node("add", a, graph.node("mul", graph.constant(0.044715), cube))
        inside = graph.node("tanh", graph.node("mul", graph.constant(0.7978845608028654), sum_))
    return graph.node("mul", half, graph.node("add", graph.constant(1), inside))


@_rule("softplus")
def _softplus(graph: Graph, a: Node, beta: float = 1, threshold: float = 20) -> Node:
    scaled = graph.node("mul", graph.constant(beta), a)
    bound = graph.constant(threshold)
    beyond = graph.node("less", bound, scaled)
    inside = graph.node("where", beyond, bound, scaled)  # what is not taken must not overflow
    soft = graph.node("log1p", graph.node("exp", inside))
    return graph.node("where", beyond, a, graph.node("mul", graph.constant(1 / beta), soft))


@_rule("log_sigmoid_forward")
def _log_sigmoid(graph: Graph, a: Node) -> tuple[Node, Node]:
    down = graph.node("exp", graph.node("neg", graph.node("abs", a)))
    low = graph.node("min", a, graph.constant(0))
    return graph.node("sub", low, graph.node("log1p", down)), down


def _bounded(graph: Graph, a: Node, low: Any, high: Any) -> Node:
    """As torch's clamp: the gradient passes on the bounds themselves."""
    if low is not None:
        bound = _number(graph, low)
        a = graph.node("where", graph.node("less", a, bound), bound, a)
    if high is not None:
        bound = _number(graph, high)
        a = graph.node("where", graph.node("less", bound, a), bound, a)
    return a


@_rule("clamp")
def _clamp(graph: Graph, a: Node, min: Any = None, max: Any = None) -> Node:  # noqa: A002
    return _bounded(graph, a, min, max)


OPERATIONS["clamp_min"] = lambda graph, a, low: _bounded(graph, a, low, None)
OPERATIONS["clamp_max"] = lambda graph, a, high: _bounded(graph, a, None, high)


def _inside(graph: Graph, a: Node, low: float, high: float) -> Node:
    """As torch's hardtanh: no gradient on the bounds."""
    low_, high_ = graph.constant(low), graph.constant(high)
    a = graph.node("where", graph.node("at_most", a, low_), low_, a)
    return graph.node("where", graph.node("at_most", high_, a), high_, a)


@_rule("hardtanh")
def _hardtanh(graph: Graph, a: Node, low: float = -1, high: float = 1) -> Node:
    return _inside(graph, a, low, high)


@_rule("hardsigmoid")
def _hardsigmoid(graph: Graph, a: Node) -> Node:
    shifted = graph.node("add", graph.node("div", a, graph.constant(6)), graph.constant(0.5))
    return _inside(graph, shifted, 0, 1)


@_rule("where")
def _where(graph: Graph, mask: Node, a: Any, b: Any) -> Node:
    return graph.node("where", mask, _number(graph, a), _number(graph, b))


@_rule("ne")
def _not_equal(graph: Graph, a: Any, b: Any) -> Node:
    same = graph.node("equal", _number(graph, a), _number(graph, b))
    return graph.node("sub", graph.constant(1), same)


@_rule("logical_not", "bitwise_not")
def _not(graph: Graph, a: Node) -> Node:
    return graph.node("equal", a, graph.constant(0))


@_rule("lerp")
def _lerp(graph: Graph, a: Node, b: Node, weight: Any) -> Node:
    step = graph.node("mul", _number(graph, weight), graph.node("sub", b, a))
    return graph.node("add", a, step)


@_rule("addcmul")
def _addcmul(graph: Graph, a: Node, b: Node, c: Node, value: float = 1) -> Node:
    scaled = graph.node("mul", graph.constant(value), graph.node("mul", b, c))
    return graph.node("add", a, scaled)


@_rule("addcdiv")
def _addcdiv(graph: Graph, a: Node, b: Node, c: Node, value: float = 1) -> Node:
    scaled = graph.node("mul", graph.constant(value), graph.node("div", b, c))
    return graph.node("add", a, scaled)


@_rule("zeros_like")
def _zeros(graph: Graph, a: Node, **_: Any) -> Node:
    return graph.constant(0)


@_rule("ones_like")
def _ones(graph: Graph, a: Node, **_: Any) -> Node:
    return graph.constant(1)


@_rule("full_like")
def _full(graph: Graph, a: Node, value: float, **_: Any) -> Node:
    return graph.constant(value)


def _over_hidden(name: str, dims: Any, keepdim: bool) -> None:
    over = [dims] if isinstance(dims, int) else list(dims or [])
    if over not in ([-1], [1]) or not keepdim:
        raise UntraceableError(f"the operation '{name}' other than over H with keepdim=True")


@_rule("sum")
def _sum(graph: Graph, a: Node, dims: Any = None, keepdim: bool = False, **_: Any) -> Node:
    _over_hidden("sum", dims, keepdim)
    return _summed(graph, a)


def _summed(graph: Graph, a: Node) -> Node:
    if a.shape == "constant" and a.value != 0:
        raise UntraceableError("the sum of a constant")
    return graph.node("sum", a) if a.shape == "vector" else a


def _average(graph: Graph, a: Node) -> Node:
    if a.shape != "vector":
        return a
    share = graph.leaf("inverse_hidden", shape="number")
    return graph.node("mul", _summed(graph, a), share)


@_rule("mean")
def _mean(graph: Graph, a: Node, dims: Any = None, keepdim: bool = False, **_: Any) -> Node:
    _over_hidden("mean", dims, keepdim)
    return _average(graph, a)


@_rule("native_layer_norm")
def _layer_norm(
    graph: Graph, a: Node, shape: Any, weight: Node | None, bias: Node | None, eps: float
) -> tuple[Node, Node, Node]:
    mean = _average(graph, a)
    centred = graph.node("sub", a, mean)
    variance = _average(graph, graph.node("mul", centred, centred))
    spread = graph.node("sqrt", graph.node("add", variance, graph.constant(eps)))
    inverse = graph.node("div", graph.constant(1), spread)
    found = graph.node("mul", centred, inverse)
    if weight is not None:
        found = graph.node("mul", found, weight)
    if bias is not None:
        found = graph.node("add", found, bias)
    return found, mean, inverse


def _reads_values(graph: Graph, *_: Any) -> Node:
    raise UntraceableError("a tensor's value is read (a choice that depends on the data)")


OPERATIONS["_local_scalar_dense"] = OPERATIONS["is_nonzero"] = _reads_values

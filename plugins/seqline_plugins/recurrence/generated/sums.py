"""Sums over the units: as few as there can be, and none later than it must be.

Each ends a pass over the units, and what reads it waits for the next one. So

    n Σ u + n Σ v  becomes  n Σ (u + v)   where both are there at once,
    Σ (u + n v)    becomes  Σ u + n Σ v   where it is the number n that is not there yet.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from seqline_plugins.recurrence.generated.graph import Graph, Node


class _Term(NamedTuple):
    """times · factor · of: a constant, a number (none: 1), and a vector or a number."""

    times: float
    factor: Node | None
    of: Node


def sum_of(graph: Graph, vector: Node) -> Node | None:
    """Return Σ v where it is better taken of parts of v, else None."""
    latest = graph.waits.get(vector, 0)
    parts = _terms(graph, vector, latest)
    if any(graph.waits.get(part.of, 0) == latest for part in parts):  # parting gains nothing
        parts = [_without_factors(graph, vector)]
        if parts[0].of is vector:
            return None
    sums = [
        _scaled(graph, term, part)
        for part in parts
        for term in _terms(graph, graph.node("sum", part.of), 0)
    ]
    return _added(graph, _grouped(graph, sums))


def together(graph: Graph, a: Node, b: Node, sign: float = 1.0) -> Node | None:
    """Return a ± b where sums in it become one, else None."""
    if a.shape != "number" or b.shape != "number":
        return None
    terms = [*_terms(graph, a, 0), *_times(_terms(graph, b, 0), sign)]
    grouped = _grouped(graph, terms)
    return _added(graph, grouped) if len(grouped) < len(terms) else None


def _terms(graph: Graph, node: Node, since: int) -> list[_Term]:
    """Return what a value is the sum of; what waits for less than `since` stays whole."""
    if graph.waits.get(node, 0) >= since:
        if node.op in ("add", "sub") and all(arg.shape == node.shape for arg in node.args):
            first, second = (_terms(graph, arg, since) for arg in node.args)
            return first + (second if node.op == "add" else _times(second, -1.0))
        if node.op == "neg":
            return _times(_terms(graph, node.args[0], since), -1.0)
        if node.op == "mul":
            value, factor = _value_and_factor(node)
            if factor is not None:
                by = _Term(1.0, factor, value)
                return [_scaled(graph, term, by) for term in _terms(graph, value, since)]
    return [_Term(1.0, None, node)]


def _value_and_factor(node: Node) -> tuple[Node, Node | None]:
    """Return a product as a vector, or a sum over H, and a number that it is multiplied with."""
    for value, factor in (node.args, node.args[::-1]):
        is_value = value.shape == "vector" if node.shape == "vector" else _is_sum(value)
        if is_value and factor.shape != "vector":
            return value, factor
    return node, None


def _is_sum(node: Node) -> bool:
    while node.op == "neg":
        node = node.args[0]
    return node.op == "sum" or (node.op == "mul" and any(map(_is_sum, node.args)))


def _without_factors(graph: Graph, vector: Node) -> _Term:
    """Return a vector without its sign and the numbers that it is multiplied with."""
    found = _Term(1.0, None, vector)
    while True:
        node = found.of
        value, factor = _value_and_factor(node) if node.op == "mul" else (node, None)
        if node.op == "neg":
            found = _Term(-found.times, found.factor, node.args[0])
        elif factor is not None:
            found = _scaled(graph, found._replace(of=value), _Term(1.0, factor, value))
        else:
            return found


def _times(terms: list[_Term], by: float) -> list[_Term]:
    return [term._replace(times=term.times * by) for term in terms]


def _scaled(graph: Graph, term: _Term, by: _Term) -> _Term:
    """Return a term times what another one is multiplied with."""
    times, factor = term.times * by.times, term.factor
    if by.factor is not None and by.factor.op == "constant":
        times *= float(by.factor.value)
    elif by.factor is not None:
        factor = by.factor if factor is None else graph.node("mul", factor, by.factor)
    return _Term(times, factor, term.of)


def _grouped(graph: Graph, terms: list[_Term]) -> list[_Term]:
    """Return the terms, sums of the same factor that wait for as much as one."""
    same: dict[tuple[Node | None, Node], float] = {}
    for term in terms:
        same[term.factor, term.of] = same.get((term.factor, term.of), 0.0) + term.times
    groups: dict[object, list[_Term]] = {}
    for term in (_Term(times, *of) for of, times in same.items()):
        alike: object = object()
        if term.of.op == "sum":
            alike = term.factor, abs(term.times), graph.waits.get(term.of, 0)
        groups.setdefault(alike, []).append(term)
    found = []
    for first, *others in groups.values():
        vector = first.of.args[0] if others else first.of
        for other in others:
            op = "add" if (other.times > 0) == (first.times > 0) else "sub"
            vector = graph.node(op, vector, other.of.args[0])
        found.append(first._replace(of=graph.node("sum", vector)) if others else first)
    return found


def _added(graph: Graph, terms: list[_Term]) -> Node:
    """Return the number that terms come to."""
    total: Node | None = None
    for term in terms:
        value = term.of if term.factor is None else graph.node("mul", term.of, term.factor)
        value = graph.node("mul", value, graph.constant(abs(term.times)))
        if total is None:
            total = graph.node("neg", value) if term.times < 0 else value
        else:
            total = graph.node("sub" if term.times < 0 else "add", total, value)
    assert total is not None
    return total

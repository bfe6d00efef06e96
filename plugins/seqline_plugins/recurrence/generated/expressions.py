"""What one node is in C++: a vector's expression, or a number's, which is computed once a row."""

from __future__ import annotations

from seqline_plugins.recurrence.generated.graph import OF_NUMBERS, POINTWISE, Node


def expression_of(node: Node, names: dict[int, str]) -> str:
    """Return what a node is, made of the names of what it is made of."""
    value = f"(REAL){node.value!r}" if node.op == "power" else ""
    return POINTWISE[node.op].format(*(names[id(arg)] for arg in node.args), value=value)


def of_numbers(node: Node, names: dict[int, str]) -> tuple[str, str]:
    """Return the type and the expression of a number that is made of others."""
    args = [scalar(names[id(arg)]) for arg in node.args]
    if node.op in OF_NUMBERS and None not in args:
        inside = [f"({arg})" if arg and " " in arg else arg for arg in args]
        return "REAL", OF_NUMBERS[node.op].format(*inside)
    return "Vector", expression_of(node, names)


def scalar(name: str) -> str | None:
    """Return what stands in every lane of a value, None where they may differ."""
    return name[len("splat(") : -1] if name.startswith("splat(") else None

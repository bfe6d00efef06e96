"""What values an option takes: the test, and the same in words."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

_WORDS = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "a text",
    list: "a list",
    dict: "a mapping",
}


def fits(value: Any, limits: Mapping[str, Any]) -> bool:
    """Say whether a value, or each value of a list, is within an option's limits."""
    if isinstance(value, list | tuple):
        length = limits.get("length", len(value))
        return len(value) == length and all(fits(one, limits) for one in value)
    if "choices" in limits and value not in limits["choices"]:
        return False
    if isinstance(value, bool) or not isinstance(value, int | float):
        return True
    return (
        math.isfinite(value)
        and value >= limits.get("low", -math.inf)
        and value <= limits.get("high", math.inf)
        and value > limits.get("above", -math.inf)
    )


def expected(hint: Any, limits: Mapping[str, Any]) -> str:
    """Say in words what an option takes: "a whole number, at least 1, or null"."""
    if "choices" in limits:
        words = f"one of {', '.join(limits['choices'])}"
    else:
        words, bounds = type_in_words(hint, limits.get("length")), in_words(limits)
        if bounds:
            words += f", {'each ' if words.startswith('a list') else ''}{bounds}"
    return f"{words}, or null" if NoneType in get_args(hint) else words


def type_in_words(hint: Any, length: int | None = None) -> str:
    """Say a type in words, leaving out that it may be null."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return " or ".join(type_in_words(one) for one in arguments if one is not NoneType)
    if origin is list and arguments and arguments[0] in (int, float):
        return f"a list of {length} numbers" if length else "a list of numbers, as in [1,2]"
    if origin is list:
        return "a list, as in [a,b]"
    if dataclasses.is_dataclass(hint):
        return "a group of keys"
    return _WORDS.get(origin or hint, "a value")


def in_words(limits: Mapping[str, Any]) -> str:
    """Say a range in words: "at least 1", "between 0 and 0.99", "more than 0", or nothing."""
    low, high, above = limits.get("low"), limits.get("high"), limits.get("above")
    if low is not None and high is not None:
        return f"between {low} and {high}"
    parts = [
        f"at least {low}" if low is not None else "",
        f"more than {above}" if above is not None else "",
        f"at most {high}" if high is not None else "",
    ]
    return " and ".join(part for part in parts if part)


def spelled(value: Any) -> str:
    """Return a value as a person would type it: null, true, 'text', [1, 2]."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {spelled(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(spelled(one) for one in value) + "]"
    return repr(value)


def spelled_short(value: Any) -> str:
    """Return a value as typed, a whole number without its decimals: 0.0 was given as 0."""
    whole = isinstance(value, float) and value.is_integer()
    return spelled(int(value) if whole else value)

"""Nested mappings by dotted places: `characters.cell`."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from enum import Enum
from pathlib import Path
from typing import Any


def get(tree: Mapping[str, Any], place: str) -> Any:
    """Return what stands at a place, None where nothing does."""
    found: Any = tree
    for part in place.split("."):
        if not isinstance(found, Mapping) or part not in found:
            return None
        found = found[part]
    return found


def put(tree: dict[str, Any], place: str, value: Any) -> None:
    """Set what stands at a place; the mappings on the way must be there."""
    *outer, last = place.split(".")
    for part in outer:
        tree = tree[part]
    tree[last] = value


def without(tree: Any, places: Iterable[str]) -> dict[str, Any]:
    """Return a tree from which some places are left out."""
    left = plain(tree)
    for place in places:
        *outer, last = place.split(".")
        inner = get(left, ".".join(outer)) if outer else left
        inner.pop(last, None)
    return dict(left)


def plain(value: Any) -> Any:
    """Return a value as mappings, lists, strings, numbers and None alone."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = dataclasses.fields(value)
        return {field.name: plain(getattr(value, field.name)) for field in fields}
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if isinstance(value, Enum):
        return value.name
    return str(value) if isinstance(value, Path) else value


def cell_choices(config: Any) -> list[Mapping[str, Any]]:
    """Return every cell that the architecture and the task name in their slots."""
    found: list[Mapping[str, Any]] = []
    for part in ("architecture", "task"):
        _collect_cells(config[part], found)
    return found


def _collect_cells(node: Mapping[str, Any], found: list[Mapping[str, Any]]) -> None:
    for key, value in node.items():
        if key == "cell" and isinstance(value, Mapping):
            found.append(value)
        elif isinstance(value, Mapping):
            _collect_cells(value, found)

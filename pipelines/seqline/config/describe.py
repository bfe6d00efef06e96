"""Every key of the configuration with its meaning, range and default, for completion and help."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any, get_type_hints

from seqline.config.sections import SECTIONS
from seqline_plugins.options import nested_options
from seqline_plugins.ranges import expected, spelled


@dataclasses.dataclass(frozen=True)
class Key:
    """One key: `trainer.lr`, what it means, what it takes, what it is if left alone."""

    place: str
    help: str
    expected: str
    default: str
    choices: tuple[str, ...] = ()


def describe() -> list[Key]:
    """Return the keys of every section; the plugins' own are not among them, nothing is loaded."""
    return [key for name, schema in SECTIONS.items() for key in _keys(schema, name)]


def describe_plugin(kind: str, name: str) -> list[Key]:
    """Return a plugin's options, as keys under its group; imports it.

    Raises `PluginError` for a plugin that cannot be used.
    """
    from seqline_plugins.discovery import load

    return list(_keys(load(kind, name).Config, kind))


def nearest_section(key: str) -> str:
    """Return " Did you mean 'trainer.lr'?" for the last word of a section's key, or nothing."""
    found = [one.place for one in describe() if one.place.rpartition(".")[2] == key]
    return f" Did you mean {' or '.join(map(repr, found))}?" if found else ""


def _keys(config: type, where: str) -> Iterator[Key]:
    hints = get_type_hints(config)
    for field in dataclasses.fields(config):
        place, hint = f"{where}.{field.name}", hints[field.name]
        inner = nested_options(hint)
        if inner is not None:
            yield from _keys(inner, place)
            continue
        text, group = field.metadata.get("help", ""), field.metadata.get("slot")
        if group is not None:
            yield Key(f"{group}@{place}", text, f"a {group} by name", f"the top level's {group}")
            continue
        choices = field.metadata.get("choices", ("true", "false") if hint is bool else ())
        wanted = expected(hint, field.metadata)
        yield Key(place, text, wanted, _default(field), tuple(choices))


def _default(field: dataclasses.Field[Any]) -> str:
    if field.default_factory is not dataclasses.MISSING:
        return spelled(field.default_factory()).replace(" ", "")
    return spelled(field.default).strip("'")

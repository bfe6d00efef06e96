"""Finding plugins: by entry-point metadata alone; selecting one imports that one and no other."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from seqline_plugins.errors import PluginError, unknown

GROUPS = {
    "cell": "seqline.cells",
    "architecture": "seqline.architectures",
    "task": "seqline.tasks",
}


def installed(kind: str) -> Mapping[str, tuple[EntryPoint, ...]]:
    """Return every name of a kind with its entry points (two under one name is an error later)."""
    return _installed(GROUPS[kind], tuple(sys.path))


@cache
def _installed(group: str, path: tuple[str, ...]) -> Mapping[str, tuple[EntryPoint, ...]]:
    found: dict[str, tuple[EntryPoint, ...]] = {}
    for entry in entry_points(group=group):
        found[entry.name] = (*found.get(entry.name, ()), entry)
    return dict(sorted(found.items()))


def find(kind: str, name: str) -> EntryPoint:
    """Return the one entry point of that name.

    Raises `PluginError` for an unknown name (with the nearest) and for two plugins of one name.
    """
    group, plugins = GROUPS[kind], installed(kind)
    entries = plugins.get(name, ())
    if not entries:
        raise PluginError(unknown(kind, name, plugins), group=group, name=name)
    if len(entries) > 1:
        owners = " and ".join(f"{distribution_of(entry)} ({entry.value})" for entry in entries)
        reason = f"two plugins have this name, {owners}; uninstall one."
        raise PluginError(reason, group=group, name=name)
    return entries[0]


def load(kind: str, name: str) -> type[Any]:
    """Import the one plugin of that name and return its class.

    Raises `PluginError`, with the cause, when it cannot be imported or is not of its kind.
    """
    entry = find(kind, name)
    try:
        plugin = entry.load()
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a plugin may even call sys.exit when it is imported
        raise _refusal(kind, entry, f"{type(error).__name__}: {error}") from error
    if not (isinstance(plugin, type) and issubclass(plugin, _contracts(kind))):
        wanted = " or ".join(contract.__name__ for contract in _contracts(kind))
        raise _refusal(kind, entry, f"found {plugin!r}, expected a subclass of {wanted}.")
    return plugin


def distribution_of(entry: EntryPoint) -> str:
    """Return "name version" of the distribution that brings an entry point."""
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist else "unknown distribution"


def _refusal(kind: str, entry: EntryPoint, reason: str) -> PluginError:
    return PluginError(
        reason,
        group=GROUPS[kind],
        name=entry.name,
        target=entry.value,
        distribution=distribution_of(entry),
    )


def _contracts(kind: str) -> tuple[type[Any], ...]:
    """Return the contract classes of a kind; imported here, since listing must stay light."""
    if kind == "cell":
        from seqline_plugins.cell import GatedCell, StepCell

        return (GatedCell, StepCell)
    if kind == "architecture":
        from seqline_plugins.architecture import Architecture

        return (Architecture,)
    from seqline_plugins.task import Task

    return (Task,)

"""Finding plugins: by entry-point metadata alone; selecting one imports that one and no other."""

from __future__ import annotations

import dataclasses
import importlib
import importlib.metadata
import sys
import traceback
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.metadata import Distribution, EntryPoint, distributions
from pathlib import Path
from typing import Any

from seqline_plugins.errors import PluginError, nearest
from seqline_plugins.isolation import tried
from seqline_plugins.requirements import OURS, unmet

GROUPS = {
    "cell": "seqline.cells",
    "architecture": "seqline.architectures",
    "task": "seqline.tasks",
}
RESERVED = "name"
"""The key under which the configuration names the plugin; no option may be called so."""
_NOT_THEIRS = (__file__, importlib.__file__, importlib.metadata.__file__)


def installed(kind: str) -> Mapping[str, tuple[EntryPoint, ...]]:
    """Return every name of a kind with its entry points (two under one name is an error later)."""
    return _installed(tuple(sys.path))[kind]


@cache
def _installed(path: tuple[str, ...]) -> dict[str, dict[str, tuple[EntryPoint, ...]]]:
    found: dict[str, dict[str, tuple[EntryPoint, ...]]] = {kind: {} for kind in GROUPS}
    kinds = {group: kind for kind, group in GROUPS.items()}
    for entry in _entry_points(frozenset(kinds)):
        names = found[kinds[entry.group]]
        names[entry.name] = (*names.get(entry.name, ()), entry)
    return {kind: dict(sorted(names.items())) for kind, names in found.items()}


def _entry_points(groups: frozenset[str]) -> Iterator[EntryPoint]:
    """Give the entry points of some groups; a distribution with broken metadata has none.

    Of a distribution that is twice on the path the first counts, as everywhere in Python.
    """
    seen: set[str] = set()
    for distribution in distributions():
        try:
            entries = [entry for entry in distribution.entry_points if entry.group in groups]
        except Exception:  # broken metadata raises whatever its parser raises
            continue
        if entries and (name := origin_of(distribution)[0].lower()) not in seen:
            seen.add(name)
            yield from entries


def find(kind: str, name: str) -> EntryPoint:
    """Return the one entry point of that name.

    Raises `PluginError` for an unknown name (with the nearest) and for two plugins of one name.
    """
    group, plugins = GROUPS[kind], installed(kind)
    entries = plugins.get(name, ())
    if not entries:
        known = ", ".join(plugins) or "none"
        reason = f"there is none of this name.{nearest(name, plugins)} Installed: {known}."
        raise PluginError(reason, group=group, name=name)
    if len(entries) > 1:
        owners = " and ".join(f"{distribution_of(entry)} ({entry.value})" for entry in entries)
        reason = f"two plugins have this name, {owners}; uninstall one."
        raise PluginError(reason, group=group, name=name)
    return entries[0]


def load(kind: str, name: str) -> type[Any]:
    """Import the one plugin of that name and return its class.

    A plugin of another distribution is imported in a process of its own first, so that one that
    hangs, or ends the process, ends only that. Raises `PluginError`, with the cause and the
    plugin's own file and line, when it cannot be imported, is not of its kind, needs what is not
    installed, or its `Config` is no dataclass.
    """
    entry = find(kind, name)
    found = obvious(entry)
    if found is not None:
        raise _refusal(kind, entry, f"{found}.")
    if _is_foreign(entry):
        _try_once(kind, entry)
    return examine(kind, entry)


def obvious(entry: EntryPoint) -> str | None:
    """Say what is wrong with a plugin as its metadata tell, without importing it; None: nothing."""
    if EntryPoint.pattern.match(entry.value) is None:
        return "its target is not written as 'module:Class'"
    return unmet(entry.dist)


def examine(kind: str, entry: EntryPoint) -> type[Any]:
    """Import a plugin, here and now, and return its class; raises `PluginError` as `load` does."""
    try:
        plugin = entry.load()
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a plugin may even call sys.exit when it is imported
        cause = " ".join(str(error).split())
        if isinstance(error, AttributeError) and error.name == entry.attr.partition(".")[0]:
            cause += f"; name the class so, or mend the entry point '{entry.value}'"
        raise _refusal(kind, entry, f"{type(error).__name__}: {cause}{_place(error)}") from error
    if not (isinstance(plugin, type) and issubclass(plugin, _contracts(kind))):
        wanted = " or ".join(contract.__name__ for contract in _contracts(kind))
        raise _refusal(kind, entry, f"found {plugin!r}, expected a subclass of {wanted}.")
    options = getattr(plugin, "Config", None)
    if not (isinstance(options, type) and dataclasses.is_dataclass(options)):
        raise _refusal(kind, entry, f"its Config is {options!r}, expected a dataclass.")
    if RESERVED in {field.name for field in dataclasses.fields(options)}:
        raise _refusal(kind, entry, f"an option is called '{RESERVED}', which is reserved.")
    return plugin


def try_alone(kind: str, entry: EntryPoint, limit: float | None = None) -> str | None:
    """Import a plugin in a process of its own; return what is wrong with it, None if nothing.

    `limit` is in seconds.
    """
    _contracts(kind)  # imported before the process is copied, and once

    def run() -> str | None:
        try:
            examine(kind, entry)
        except PluginError as error:
            return error.reason
        return None

    return tried(run, limit)


@cache
def _try_once(kind: str, entry: EntryPoint) -> None:
    if entry.value.partition(":")[0] in sys.modules:
        return
    reason = try_alone(kind, entry)
    if reason is not None:
        raise _refusal(kind, entry, reason)


def _is_foreign(entry: EntryPoint) -> bool:
    return origin_of(entry.dist)[0] != OURS


def _place(error: BaseException) -> str:
    """Return " (file:line)" of the plugin's code that failed, where there is such a line."""
    if isinstance(error, SyntaxError) and error.filename:
        return f" ({error.filename}:{error.lineno})"
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if not f.filename.startswith("<") and f.filename not in _NOT_THEIRS]
    return f" ({own[-1].filename}:{own[-1].lineno})" if own else ""


def distribution_of(entry: EntryPoint) -> str:
    """Return "name version" of the distribution that brings an entry point."""
    return " ".join(origin_of(entry.dist)) if entry.dist else "unknown distribution"


def origin_of(distribution: Distribution | None) -> tuple[str, str]:
    """Return a distribution's name and version; its folder and "?" where it has no metadata."""
    try:
        metadata = distribution.metadata if distribution else None
        name, version = (metadata["Name"], metadata["Version"]) if metadata else (None, None)
    except (KeyError, TypeError, ValueError, OSError):  # OSError: the backport says so
        name = version = None
    folder = Path(str(getattr(distribution, "_path", "unknown"))).name
    return name or folder, version or "?"


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
    from seqline_plugins.task.task import Task

    return (Task,)

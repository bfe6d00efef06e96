"""What `seqline plugins check` is given as a path: a package's folder, or a file of Python."""

from __future__ import annotations

import dataclasses
import importlib.util
import inspect
import sys
import tomllib
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

from seqline_plugins.architecture import Architecture
from seqline_plugins.cell import GatedCell, StepCell
from seqline_plugins.discovery import GROUPS, examine, try_alone
from seqline_plugins.errors import PluginError, UserError
from seqline_plugins.task.task import Task

Found = tuple[str, str, type[Any]]
"""Kind, name and class."""


def plugins_at(path: Path) -> list[Found]:
    """Return the plugins that a folder's `pyproject.toml` names, or a file's classes are.

    Raises `UserError` for what holds none, `PluginError` for one that cannot be imported.
    """
    if path.is_dir():
        return _of_package(path)
    if path.suffix != ".py":
        raise UserError(f"{path}: expected a package's folder or a file of Python.")
    return _of_file(path)


def _of_package(folder: Path) -> list[Found]:
    project = folder / "pyproject.toml"
    if not project.is_file():
        raise UserError(f"{folder}: no plugin package, pyproject.toml is missing.")
    try:
        read = tomllib.loads(project.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{project}: cannot be read ({error}).") from error
    named = read.get("project", {}).get("entry-points", {})
    entries = [
        (kind, EntryPoint(name, target, group))
        for kind, group in GROUPS.items()
        for name, target in named.get(group, {}).items()
    ]
    if not entries:
        groups = ", ".join(f'[project.entry-points."{group}"]' for group in GROUPS.values())
        raise UserError(f"{project}: it names no plugin; expected entries under one of {groups}.")
    for place in (folder / "src", folder):
        if place.is_dir():
            sys.path.insert(0, str(place.resolve()))
    return [(kind, entry.name, _examined(kind, entry)) for kind, entry in entries]


def _examined(kind: str, entry: EntryPoint) -> type[Any]:
    reason = try_alone(kind, entry)
    if reason is not None:
        raise PluginError(reason, group=GROUPS[kind], name=entry.name, target=entry.value)
    return examine(kind, entry)


def _of_file(path: Path) -> list[Found]:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    try:
        spec.loader.exec_module(module)
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        cause = " ".join(str(error).split())
        raise UserError(
            f"{path}: it cannot be imported ({type(error).__name__}: {cause})."
        ) from error
    contracts = {GatedCell: "cell", StepCell: "cell", Architecture: "architecture", Task: "task"}
    every: list[Found] = [
        (kind, one.__name__, one)
        for one in vars(module).values()
        if isinstance(one, type) and one.__module__ == path.stem
        for contract, kind in contracts.items()
        if issubclass(one, contract)
    ]
    found = [each for each in every if not inspect.isabstract(each[2])]
    for _, name, one in found:
        if not (isinstance(one.Config, type) and dataclasses.is_dataclass(one.Config)):
            raise UserError(
                f"{path}: class {name}: its Config is {one.Config!r}, expected a dataclass."
            )
    if every and not found:
        _, name, one = every[0]
        lacks = ", ".join(sorted(getattr(one, "__abstractmethods__", ())))
        raise UserError(f"{path}: class {name} is no whole plugin, it lacks: {lacks}.")
    if not found:
        names = ", ".join(contract.__name__ for contract in contracts)
        raise UserError(f"{path}: it holds no plugin, that is no subclass of {names}.")
    return found

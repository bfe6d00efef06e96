"""Whose code a run used: distribution, version and source hash of every plugin."""

from __future__ import annotations

import ast
import importlib.util
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from seqline_plugins.discovery import find, load

OURS = ("seqline", "seqline_plugins", "seqline_tasks")
KINDS = ("task", "architecture", "cell")


def plugins_used(config: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return kind, name, distribution, version and source hash of every plugin of a run."""
    chosen = sorted({(kind, name) for kind, name in _choices(config)})
    used = []
    for kind, name in chosen:
        dist = find(kind, name).dist
        used.append(
            {
                "kind": kind,
                "name": name,
                "distribution": dist.name if dist else "",
                "version": dist.version if dist else "",
                "source_hash": source_hash(load(kind, name)),
            }
        )
    return used


def parts_used(config: Mapping[str, Any], *, ours: bool = False) -> dict[str, str]:
    """Return the source hash of every part that a trained model has.

    Those that answer for its predictions: encoding, inputs, head, architecture and cells. Without
    `ours` those of other distributions only: a release of seqline itself reads what its releases
    before have written.
    """
    task = load("task", config["task"]["name"])
    parts: dict[str, type] = {
        f"the {name} of task {config['task']['name']}": getattr(task, name)
        for name in ("encoding", "inputs", "head")
    }
    for kind, name in sorted({one for one in _choices(config) if one[0] != "task"}):
        parts[f"the {kind} {name}"] = load(kind, name)
    return {
        name: source_hash(part)
        for name, part in parts.items()
        if ours or part.__module__.split(".")[0] not in OURS
    }


def _choices(config: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for kind in KINDS:
        yield kind, config[kind]["name"]
    for part in ("task", "architecture"):
        yield from (("cell", name) for name in _cells(config[part]))


def _cells(node: Mapping[str, Any]) -> Iterator[str]:
    for key, value in node.items():
        if isinstance(value, Mapping):
            if key == "cell":
                yield value["name"]
            yield from _cells(value)


def source_hash(part: type) -> str:
    """Return the SHA-256 of a class's module and the modules of its package that it imports.

    Imports are followed through the same distribution only: another one's version is what tells
    of its changes. Ours has several packages; any other is taken to have one.
    """
    return hash_of_module(part.__module__)


@cache
def hash_of_module(name: str) -> str:
    """Return the SHA-256 of a module and the modules of its package that it imports."""
    top = name.split(".")[0]
    packages = OURS if top in OURS else (top,)
    seen: dict[str, str] = {}
    waiting = [name]
    while waiting:
        module = waiting.pop()
        path = _path_of(module)
        if module in seen or path is None:
            continue
        seen[module], imported = _read(path, module)
        waiting += [found for found in imported if found.split(".")[0] in packages]
    digest = sha256()
    for module in sorted(seen):
        digest.update(f"{module} {seen[module]}\n".encode())
    return digest.hexdigest()


@cache
def _read(path: Path, module: str) -> tuple[str, tuple[str, ...]]:
    """Return the digest of a source and the modules that it imports.

    C++ that lies in a package's folder is compiled when it runs, and counts with the package.
    """
    source = path.read_bytes()
    digest = sha256(source)
    if path.name == "__init__.py":
        native = [p for p in path.parent.rglob("*") if p.suffix in (".h", ".cpp")]
        for one in sorted(native):
            digest.update(one.read_bytes())
    return digest.hexdigest(), tuple(_imports(source, module))


def _path_of(module: str) -> Path | None:
    loaded = sys.modules.get(module)
    file = getattr(loaded, "__file__", None)
    if file is None:
        try:
            spec = importlib.util.find_spec(module)
        except (ImportError, AttributeError, ValueError):
            return None
        file = spec.origin if spec is not None else None
    return Path(file) if file and file.endswith(".py") else None


def _imports(source: bytes, module: str) -> Iterator[str]:
    """Yield the modules a source imports anywhere but for type checkers."""
    tree = ast.parse(source)
    package = module.rpartition(".")[0]
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = node.module or ""
            if node.level:
                parents = package.split(".")[: len(package.split(".")) - node.level + 1]
                start = ".".join([*parents, start]).strip(".")
            yield start
            yield from (f"{start}.{alias.name}" for alias in node.names)
        waiting += ast.iter_child_nodes(node)


@cache
def git_commit() -> str | None:
    """Return the commit of the working directory, "-dirty" added if changed, or None."""
    command = ["git", "describe", "--always", "--abbrev=40", "--dirty", "--exclude=*"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=5, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None

"""Docstrings of installed libraries: text that every machine with Python has.

They are read out of the sources; nothing is imported.
"""

from __future__ import annotations

import ast
import platform
import sysconfig
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from inspect import cleandoc
from pathlib import Path

from seqline_plugins.errors import UserError

PYTHON = "python"
LEFT_OUT = frozenset({"test", "tests", "idlelib", "lib2to3", "site-packages", "__pycache__"})
"""Folders whose docstrings are not written for readers, or are another library's."""


@dataclass(frozen=True)
class Docstring:
    """A docstring, its indentation taken away, of the library's object `name`."""

    library: str
    name: str
    text: str


def docstrings(libraries: Sequence[str] = (PYTHON, "numpy")) -> list[Docstring]:
    """Return the docstrings of `python` (the standard library) or of installed packages.

    They stand in the order of their files. Raises `UserError` for a package that is not there.
    """
    found = []
    for library in libraries:
        root = _folder(library)
        for path in sorted(root.rglob("*.py")):
            inner = path.relative_to(root)
            if LEFT_OUT.isdisjoint(inner.parts):
                module = ".".join(inner.with_suffix("").parts)
                found += [Docstring(library, name, text) for name, text in _of_file(path, module)]
    return found


def versions_of(libraries: Sequence[str]) -> dict[str, str]:
    """Return each library's version; raises `UserError` for one that is not there."""
    versions = {}
    for library in libraries:
        _folder(library)
        try:
            known = platform.python_version() if library == PYTHON else version(library)
        except PackageNotFoundError:
            known = "unknown"
        versions[library] = known
    return versions


def _folder(library: str) -> Path:
    if library == PYTHON:
        return Path(sysconfig.get_paths()["stdlib"])
    spec = find_spec(library)
    if spec is None or not spec.submodule_search_locations:
        raise UserError(
            f"data=builtin reads the docstrings of the package {library}, which is not installed: "
            f"pip install {library}"
        )
    return Path(next(iter(spec.submodule_search_locations)))


def _of_file(path: Path, module: str) -> Iterator[tuple[str, str]]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of escapes in somebody else's strings
            tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError, OSError):
        return  # templates, and files for other versions of Python
    yield from _of_node(tree, module)


def _of_node(node: ast.AST, name: str) -> Iterator[tuple[str, str]]:
    text = _docstring(node)
    if text:
        yield name, text
    for child in getattr(node, "body", []):
        if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _of_node(child, f"{name}.{child.name}")


def _docstring(node: ast.AST) -> str | None:
    body = getattr(node, "body", None)
    if not body or not isinstance(body[0], ast.Expr):
        return None
    value = body[0].value
    if not (isinstance(value, ast.Constant) and isinstance(value.value, str)):
        return None
    return cleandoc(value.value).strip()

"""The scripts of `benchmarks/` run for minutes: that they begin at all is seen here."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
SCRIPTS = {path.stem: path for path in BENCHMARKS.glob("*.py")}


def names_of(path: Path) -> set[str]:
    """Return what a module defines or imports at its top."""
    names: set[str] = set()
    for statement in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(statement, ast.FunctionDef | ast.ClassDef):
            names.add(statement.name)
        elif isinstance(statement, ast.Import | ast.ImportFrom):
            names |= {one.asname or one.name for one in statement.names}
        elif isinstance(statement, ast.Assign | ast.AnnAssign):
            stored = (one for one in ast.walk(statement) if isinstance(one, ast.Name))
            names |= {one.id for one in stored if isinstance(one.ctx, ast.Store)}
    return names


@pytest.mark.parametrize("script", sorted(SCRIPTS))
def test_a_script_finds_what_it_takes_from_the_others(script: str) -> None:
    for statement in ast.walk(ast.parse(SCRIPTS[script].read_text(encoding="utf-8"))):
        if isinstance(statement, ast.ImportFrom) and statement.module in SCRIPTS:
            known = names_of(SCRIPTS[statement.module])
            missing = {one.name for one in statement.names} - known
            assert not missing, f"{script} asks {statement.module} for {missing}"

"""Where things stand: the source roots, the direction of imports, names of files."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOTS = ("conf", "pipelines", "plugins", "tasks")
PACKAGES = {
    "seqline_plugins": ROOT / "plugins" / "seqline_plugins",
    "seqline_tasks": ROOT / "tasks" / "seqline_tasks",
    "seqline": ROOT / "pipelines" / "seqline",
    "seqline_conf": ROOT / "conf" / "seqline_conf",
}
MAY_IMPORT = {
    "seqline_plugins": set(),
    "seqline_tasks": {"seqline_plugins"},
    "seqline": {"seqline_plugins", "seqline_tasks"},
    "seqline_conf": set(),
}
WORN_OUT = {"utils", "util", "helpers", "helper", "common", "manager", "base", "misc"}


def files_of_the_project() -> list[Path]:
    """Return the files that git knows or would add."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in listed.splitlines() if (ROOT / name).is_file()]


def imports_of(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield node.module or ""


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_point_one_way(package: str) -> None:
    files = sorted(PACKAGES[package].rglob("*.py"))
    assert files
    for path in files:
        for name in imports_of(path.read_text(encoding="utf-8")):
            top = name.split(".")[0]
            if top in PACKAGES and top != package:
                assert top in MAY_IMPORT[package], f"{path.relative_to(ROOT)} imports {name}"


@pytest.mark.parametrize("root", ROOTS)
def test_a_source_root_is_no_package_itself(root: str) -> None:
    assert not (ROOT / root / "__init__.py").exists()


@pytest.mark.parametrize("package", PACKAGES)
def test_every_package_folder_says_that_it_is_one(package: str) -> None:
    folders = {path.parent for path in PACKAGES[package].rglob("*.py")}
    for folder in folders:
        assert (folder / "__init__.py").is_file(), folder


def test_nothing_shadows_the_mlflow_library() -> None:
    assert not list((ROOT / "mlflow").rglob("*.py"))


def test_no_file_has_a_name_that_says_nothing() -> None:
    files = [path for path in files_of_the_project() if path.suffix == ".py"]
    assert len(files) > 50
    assert not [str(path) for path in files if path.stem in WORN_OUT]
    assert not [str(path) for path in files if WORN_OUT & set(path.relative_to(ROOT).parts)]


def test_test_files_have_names_of_their_own() -> None:
    names = [path.name for path in (ROOT / "tests").rglob("test_*.py")]
    assert sorted(names) == sorted(set(names))

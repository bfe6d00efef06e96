"""Shapes checked, a home of its own and a quiet environment for every test; shared fixtures."""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import jaxtyping
import pytest

# Not checked: MLflow imports importlib_metadata, whose classes then stand in for the standard
# library's entry points and distributions.
import seqline_plugins.discovery

# Before anything imports them: from here on every signature's shapes are checked at each call.
# The generator of code has no shapes in its signatures and is called for every node.
_plugins = Path(seqline_plugins.discovery.__file__).parent
_parts = {f"seqline_plugins.{one.stem}" for one in _plugins.iterdir()}
_of_host = {f"seqline_plugins.recurrence.{one.stem}" for one in (_plugins / "recurrence").iterdir()}
_checked = _parts | _of_host | {"seqline_tasks"}
_checked -= {"seqline_plugins.recurrence", "seqline_plugins.recurrence.generated"}
jaxtyping.install_import_hook(sorted(_checked), "shape_checks.check")

from seqline.home import quiet_environment  # noqa: E402

_session_home = tempfile.mkdtemp(prefix="seqline-tests-")
atexit.register(shutil.rmtree, _session_home, ignore_errors=True)
os.environ["SEQLINE_HOME"] = _session_home
quiet_environment()

PROGRAMS = {"g++": "g++", "clang": "clang++", "chromium": "chromium"}
"""A program of each of Debian's packages that tests are marked to need."""

Install = Callable[..., Path]


def pytest_addoption(parser: pytest.Parser) -> None:
    said = "a test whose Debian package is missing fails, where else it is skipped"
    parser.addoption("--packages-required", action="store_true", help=said)


def pytest_runtest_setup(item: pytest.Item) -> None:
    for mark in item.iter_markers("debian"):
        (package,) = mark.args
        if shutil.which(PROGRAMS[package]) is None:
            if item.config.getoption("packages_required"):
                pytest.fail(f"needs Debian's {package}", pytrace=False)
            pytest.skip(f"needs Debian's {package}")


@pytest.fixture(autouse=True)
def home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give every test a home of its own."""
    folder = tmp_path / "home"
    monkeypatch.setenv("SEQLINE_HOME", str(folder))
    return folder


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Keep torch to one thread: for these tiny products two wait for each other."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.get_num_threads() != 1:
        torch.set_num_threads(1)


@pytest.fixture
def shapes_unchecked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Turn the check of shapes off, to see what a user without it is told."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Install a plugin package: a module and a dist-info with its entry points.

    install("theirs", module="class Cell: …", cells={"theirs": "theirs:Cell"}) returns the folder
    that is now on the path, for subprocesses too.
    """

    def install_package(
        name: str,
        module: str | None = None,
        *,
        version: str = "1.0",
        metadata: bool = True,
        cells: Mapping[str, str] | None = None,
        architectures: Mapping[str, str] | None = None,
        tasks: Mapping[str, str] | None = None,
    ) -> Path:
        folder = tmp_path / f"site-{name}"
        info = folder / f"{name}-{version}.dist-info"
        info.mkdir(parents=True)
        if module is not None:
            (folder / f"{name}.py").write_text(module, encoding="utf-8")
        if metadata:
            text = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
            (info / "METADATA").write_text(text, encoding="utf-8")
        groups = {"cells": cells, "architectures": architectures, "tasks": tasks}
        lines = []
        for group, entries in groups.items():
            lines.append(f"[seqline.{group}]")
            lines += [f"{key} = {target}" for key, target in (entries or {}).items()]
        (info / "entry_points.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
        monkeypatch.syspath_prepend(folder)
        monkeypatch.setenv("PYTHONPATH", str(folder), prepend=":")
        monkeypatch.delitem(sys.modules, name, raising=False)
        return folder

    return install_package

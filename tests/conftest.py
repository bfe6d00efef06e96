"""Fixtures that every part's tests share."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

Install = Callable[..., Path]


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

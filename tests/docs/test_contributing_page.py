"""CONTRIBUTING's five steps, done in a copy of the repository."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from newcomer import ROOT, Shell, follow


def copy_of_the_repository(folder: Path) -> Path:
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in listed.splitlines():
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, folder / name)
    return folder


@pytest.mark.slow
def test_five_steps_add_a_cell(tmp_path: Path) -> None:
    shell = Shell(copy_of_the_repository(tmp_path / "seqline"))
    said = follow(ROOT / "CONTRIBUTING.md", shell)
    assert "name: cfn" in said
    assert "1 passed" in said
    assert "Cell `cfn`" in (shell.folder / "CHANGELOG.md").read_text(encoding="utf-8")

"""A newcomer's shell: an environment of their own over this one, and a page's blocks run in it."""

from __future__ import annotations

import atexit
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import venv
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
COMMANDS = {
    "pip": "-m pip",
    "pytest": "-m pytest -p no:cacheprovider",
    "seqline": "-c 'from seqline.cli.main import main; raise SystemExit(main())'",
}
_BLOCK = re.compile(r"(?:`([^`\n]+)`:\n\n?)?^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@cache
def home() -> str:
    """Make one home for all newcomers of a session: its databases are made once."""
    folder = tempfile.mkdtemp(prefix="seqline-newcomer-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


class Shell:
    """Commands in a folder; what they install stays in the folder's `.venv`.

    The environment that runs the tests lies under it, so nothing is fetched.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        venv.create(folder / ".venv", symlinks=True)
        binaries = folder / ".venv" / "bin"
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        self.packages = folder / ".venv" / "lib" / version / "site-packages"
        below = sysconfig.get_path("purelib")
        (self.packages / "below.pth").write_text(f"import site; site.addsitedir({below!r})\n")
        for name, arguments in COMMANDS.items():
            (binaries / name).write_text(f'#!/bin/sh\nexec {binaries}/python {arguments} "$@"\n')
            (binaries / name).chmod(0o755)
        (binaries / "ruff").symlink_to(Path(sysconfig.get_path("scripts")) / "ruff")
        self.environment = os.environ | {
            "PATH": f"{binaries}:{os.environ['PATH']}",
            "PIP_NO_BUILD_ISOLATION": "0",  # pip's way to say: without isolation
            "PIP_NO_INDEX": "1",
            "PIP_QUIET": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            "SEQLINE_HOME": home(),
        }
        for name in ("PYTHONPATH", "PYTEST_ADDOPTS"):
            self.environment.pop(name, None)

    def run(self, script: str) -> str:
        """Run a script of the shell; return what it printed."""
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"
        return done.stdout


def blocks(page: Path) -> list[tuple[str | None, str, str]]:
    """Return (file, language, text) of every fenced block; `file`: stands on the line before."""
    return _BLOCK.findall(page.read_text(encoding="utf-8"))


def follow(page: Path, shell: Shell, until: str = "") -> str:
    """Do what a page says: write its files, run its commands; return what they printed.

    `until` begins the block of commands to stop at.

    Raises `AssertionError` for a command that fails and for a block of no known kind.
    """
    said = []
    for file, language, text in blocks(page):
        if file:
            path = shell.folder / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        elif until and text.startswith(until):
            break
        elif language == "sh":
            said.append(shell.run(text))
        else:
            assert language == "text", f"{page.name}: a block of {language} that nothing runs"
    return "".join(said)

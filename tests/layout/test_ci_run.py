"""What `.ci/run` does about Debian's packages; what it calls only says with what."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CI_RUN = ROOT / ".ci" / "run"


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """The only folder on the path: what the script needs, a browser, no compiler, and not root."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("bash", "dirname", "cat"):
        (folder / name).symlink_to(shutil.which(name) or "")
    put(folder, "id", "echo 1000")
    put(folder, "chromium", "true")
    for name in ("apt-get", "make"):
        put(folder, name, f'echo "{name} $* $PYTEST_ADDOPTS"')
    return folder


def put(folder: Path, name: str, line: str) -> None:
    path = folder / name
    path.write_text(f"#!{shutil.which('bash')}\n{line}\n", encoding="utf-8")
    path.chmod(0o755)


def run(programs: Path) -> subprocess.CompletedProcess[str]:
    command = [programs / "bash", CI_RUN]
    environment = {"PATH": str(programs)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_packages_that_are_there_need_neither_root_nor_apt(programs: Path) -> None:
    put(programs, "g++", "true")
    done = run(programs)
    assert done.returncode == 0, done.stderr
    assert "apt-get" not in done.stdout
    assert "make lint types" in done.stdout
    assert "make test  --packages-required" in done.stdout


def test_missing_ones_are_installed_by_root(programs: Path) -> None:
    put(programs, "id", "echo 0")
    done = run(programs)
    assert done.returncode == 0, done.stderr
    assert re.search(r"apt-get install .* g\+\+\s", done.stdout)


def test_missing_ones_are_installed_with_sudo(programs: Path) -> None:
    put(programs, "sudo", 'echo "sudo $*"')
    done = run(programs)
    assert done.returncode == 0, done.stderr
    assert re.search(r"sudo -n apt-get install .* g\+\+", done.stdout)


def test_without_root_and_sudo_the_missing_ones_are_named(programs: Path) -> None:
    done = run(programs)
    assert done.returncode == 1
    assert "install g++ first" in done.stderr
    assert "make" not in done.stdout


def test_every_package_that_a_test_needs_is_installed() -> None:
    mark = re.compile(r'^(?<!slow\n)(?:@|pytestmark = )pytest\.mark\.debian\("([^"]+)"\)', re.M)
    tests = [path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("*.py")]
    needed = {name for text in tests for name in mark.findall(text)}
    assert needed
    listed = set(re.findall(r'\["([^"]+)"\]=', CI_RUN.read_text(encoding="utf-8")))
    assert needed <= listed


@pytest.mark.parametrize(
    ("required", "outcome"), [(False, pytest.skip.Exception), (True, pytest.fail.Exception)]
)
def test_a_test_without_its_package_is_skipped_by_name_or_fails(
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    required: bool,
    outcome: type[BaseException],
) -> None:
    plugins = request.config.pluginmanager.get_plugins()
    ours = next(plugin for plugin in plugins if hasattr(plugin, "PROGRAMS"))
    request.node.add_marker(pytest.mark.debian("clang"))
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(request.config.option, "packages_required", required)
    with pytest.raises(outcome, match="needs Debian's clang"):
        ours.pytest_runtest_setup(request.node)

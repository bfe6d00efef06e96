"""The faults of `benchmarks/` with shorter waits: surroundings that fail, wrong inputs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    "command",
    [
        ["surroundings.py", "--stopped", "5", "--away", "10"],
        ["wrong_input.py", "--inputs", "130"],
    ],
    ids=lambda command: command[0],
)
def test_nothing_is_lost_and_what_is_wrong_is_refused(command: list[str], tmp_path: Path) -> None:
    script, *options = command
    done = subprocess.run(
        [sys.executable, BENCHMARKS / script, *options, "--out", tmp_path / "out.json"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr

"""The soak of `benchmarks/`: kills at random moments, compared with the calm run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SOAK = Path(__file__).parents[2] / "benchmarks" / "soak.py"


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("target", "kills"), [("run", 10), ("tracking", 2), ("prefect", 2)])
def test_nothing_is_lost_by_kills(target: str, kills: int, tmp_path: Path) -> None:
    command = [sys.executable, SOAK, "--target", target, "--kills", str(kills)]
    done = subprocess.run(
        [*command, "--out", tmp_path / "soak.json"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr

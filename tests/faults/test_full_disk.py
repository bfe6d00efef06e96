"""A disk that is full in the middle of each stage: said, nothing spoilt, continued with space."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from toy_language import write_splits

from seqline.home import Home

SEQLINE = "from seqline.cli.main import main; raise SystemExit(main())"
SMALL = [
    "trainer.max_epochs=20",
    "trainer.checkpoint_minutes=0.002",
    "trainer.threads=1",
    "trainer.device=cpu",
    "architecture.hidden_size=8",
]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a disk of 64 MiB; skipped where none can be mounted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(command, check=False).returncode:
        pytest.skip("no disk can be mounted")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(path: Path) -> None:
    """Take what is left of the disk, to the last byte."""
    with path.open("wb", buffering=0) as stream:
        for size in (1 << 16, 1 << 8, 1):
            try:
                while True:
                    stream.write(bytes(size))
            except OSError:
                continue


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("stage", ["prepare", "train", "evaluate", "export"])
def test_it_is_said_and_the_run_goes_on_when_there_is_space(
    stage: str, small_disk: Path, tmp_path: Path
) -> None:
    home = Home(small_disk / "home")
    variables = {**os.environ, "SEQLINE_HOME": str(home.path), "TMPDIR": str(tmp_path)}
    overrides = [*write_splits(tmp_path), *SMALL]
    process = subprocess.Popen(
        [sys.executable, "-c", SEQLINE, "run", *overrides],
        env=variables,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    assert process.stderr is not None
    said = []
    for line in process.stderr:
        said.append(line)
        if line.startswith(f"{stage}: started"):
            process.send_signal(signal.SIGSTOP)
            done = {path.name for path in home.stages.glob("*-*") if path.name[0] != "."}
            fill(small_disk / "filling")
            process.send_signal(signal.SIGCONT)
    assert process.wait(120) == 1, "".join(said)
    assert "the disk is full" in said[-1] and "Traceback" not in "".join(said)
    kept = {path.name for path in home.stages.glob("*-*") if path.name[0] != "."}
    assert done <= kept

    (small_disk / "filling").unlink()
    again = subprocess.run(
        [sys.executable, "-c", SEQLINE, "run", "--json", *overrides],
        env=variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert again.returncode == 0, again.stderr
    report = json.loads(again.stdout)
    assert {name.rsplit("-", 1)[0] for name in done} <= set(report["reused"])
    assert not list(home.stages.glob(".*")) and not list(home.checkpoints.glob("*/*"))

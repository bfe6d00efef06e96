"""How long `seqline plugins list` takes with many plugins installed, some of them broken.

    python benchmarks/plugin_list_time.py

Puts 200 packages with a cell each on the path, 20 of them broken, runs the command in processes
of its own, and shows the median and the worst. Nothing may be imported: each module would fail.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PLUGINS, BROKEN, RUNS = 200, 20, 7
COMMAND = "from seqline.cli.main import main; raise SystemExit(main(['plugins', 'list', '--json']))"


def install(folder: Path, number: int) -> None:
    """Make one package with one cell; every tenth is broken in one of four ways."""
    name, target = f"many{number}", f"many{number}:Cell"
    requires, entry = "seqline>=0.1", f"many{number}"
    if number % (PLUGINS // BROKEN) == 0:
        kind = number // (PLUGINS // BROKEN) % 4
        target = "not a target" if kind == 0 else target
        requires = ("seqline>=0.1", "seqline>=99", "surely-not-installed", "seqline>=0.1")[kind]
        entry = "gru" if kind == 3 else entry
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir()
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\nRequires-Dist: {requires}\n"
    (info / "METADATA").write_text(metadata)
    (info / "entry_points.txt").write_text(f"[seqline.cells]\n{entry} = {target}\n")
    (folder / f"{name}.py").write_text("raise AssertionError('imported')\n")


def main() -> int:
    """Run it and print the figures."""
    with tempfile.TemporaryDirectory() as name:
        for number in range(PLUGINS):
            install(Path(name), number)
        environment = os.environ | {"PYTHONPATH": name}
        seconds, states = [], []
        for _ in range(RUNS):
            started = time.perf_counter()
            done = subprocess.run(
                [sys.executable, "-c", COMMAND],
                env=environment,
                capture_output=True,
                text=True,
                check=True,
            )
            seconds.append(time.perf_counter() - started)
            states = [row["state"] for row in json.loads(done.stdout)["plugins"]]
    broken = sum(state != "not checked" for state in states)
    print(f"{len(states)} plugins listed, {broken} known to be broken or twice there")
    print(f"median {statistics.median(seconds):.2f} s, worst {max(seconds):.2f} s of {RUNS}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

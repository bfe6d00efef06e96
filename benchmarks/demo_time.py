"""The wall time of `make demo` with its environment made, and how far above its baseline it ends.

Make the environment first: `make setup`. The demo's own home is left alone.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from measure import Figure, arguments, clean_environment, conclude, machine_state

ROOT = Path(__file__).resolve().parent.parent


def main():
    parser = arguments(__doc__, "demo_time")
    given = parser.parse_args()
    before = machine_state()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        started = time.perf_counter()
        done = subprocess.run(
            ["make", "demo"],
            cwd=ROOT,
            env=clean_environment(Path(home)),
            capture_output=True,
            text=True,
        )
        seconds = time.perf_counter() - started
        if done.returncode:
            sys.exit(done.stdout + done.stderr)
        found = sorted(Path(home).glob("stages/evaluate-*/metrics.json"))
        if not found:
            sys.exit("`make demo` left no results in SEQLINE_HOME; does it set a home of its own?")
        results = json.loads(found[-1].read_text(encoding="utf-8"))
    accuracy, baseline = (100 * results[key]["accuracy"] for key in ("metrics", "baseline"))
    rows = [
        Figure("make demo", seconds / 60, 3.0, "<", " min"),
        Figure("its test accuracy", accuracy),
        Figure("most frequent tag", baseline),
        Figure("points above it", accuracy - baseline, 5.0),
    ]
    conclude("The demo", rows, results, given.out, before)


if __name__ == "__main__":
    main()

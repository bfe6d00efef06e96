"""Every task on its built-in data, short, one `seqline run` after another; one table at the end.

The runs are the experiments named `demo` and `…_demo` in conf/seqline_conf/experiment/: a task
joins by leaving one there. They share a home, `SEQLINE_HOME` or `.seqline/`. A run that fails is
told in its row, and the others go on.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

from measure import seqline

EXPERIMENTS = Path(__file__).resolve().parent.parent / "conf" / "seqline_conf" / "experiment"
COLUMNS = ("experiment", "metric", "model", "baseline", "minutes", "")


def demos():
    """Return the names of the short experiments, the first of all first."""
    found = sorted(path.stem for path in EXPERIMENTS.glob("*demo.yaml"))
    return sorted(found, key=lambda name: (name != "demo", name))


def run(experiment, overrides):
    """Run an experiment; return its row."""
    command = [seqline(), "run", "--json", f"experiment={experiment}", *overrides]
    started = time.perf_counter()
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=os.environ)
    minutes = f"{(time.perf_counter() - started) / 60:.1f}"
    if done.returncode:
        return [experiment, "", "", "", minutes, f"failed, status {done.returncode}"]
    report = json.loads(done.stdout)
    primary = report["primary"]
    value, trivial = report["metrics"][primary], report["baseline"].get(primary)
    verdict = ""
    if trivial is not None:
        better = value > trivial if report["direction"] == "higher" else value < trivial
        verdict = "better" if better else "worse"
    shown = "" if trivial is None else f"{trivial:.4f}"
    return [experiment, primary, f"{value:.4f}", shown, minutes, verdict]


def table(rows):
    """Return rows as aligned text."""
    every = [COLUMNS, *rows]
    widths = [max(len(row[column]) for row in every) for column in range(len(COLUMNS))]
    cells = [
        [cell.rjust(width) if 2 <= place <= 4 else cell.ljust(width) for place, (cell, width) in
         enumerate(zip(row, widths, strict=True))]
        for row in every
    ]  # fmt: skip
    return "\n".join("  ".join(row).rstrip() for row in cells)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", metavar="EXPERIMENT", help="some of them", default=[])
    parser.add_argument("--list", action="store_true", help="name them and stop")
    parser.add_argument("--override", nargs="*", default=[], metavar="KEY=VALUE")
    given = parser.parse_args()
    chosen = given.only or demos()
    if given.list:
        print(*chosen, sep="\n")
        return
    started, rows = time.perf_counter(), []
    for number, experiment in enumerate(chosen, start=1):
        print(f"{number} of {len(chosen)}: seqline run experiment={experiment}", file=sys.stderr)
        rows.append(run(experiment, given.override))
    print(table(rows))
    print(f"{(time.perf_counter() - started) / 60:.1f} minutes")
    sys.exit(any("failed" in row[-1] for row in rows))


if __name__ == "__main__":
    main()

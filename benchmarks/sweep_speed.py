"""Equal children on two workers beside the same runs one after the other, the servers up.

The children are equal in their work: as many updates as a run alone makes in the minutes asked
for, so that what two of them cost each other counts.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from measure import Figure, arguments, clean_environment, conclude, machine_state, median, seqline
from run_overhead import interface
from soak_scenarios import SMALL, write_data


def timed(home, *command):
    started = time.perf_counter()
    done = subprocess.run(
        [seqline(), *command, "--json"], env=clean_environment(home), capture_output=True, text=True
    )
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stderr}")
    return time.perf_counter() - started, json.loads(done.stdout)


def main():
    parser = arguments(__doc__, "sweep_speed")
    parser.add_argument("--children", type=int, default=12)
    parser.add_argument("--minutes", type=float, default=2.0, help="training of each child")
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    before = machine_state()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        calm = ["trainer.checkpoint_minutes=5", "trainer.validate_every=2"]
        overrides = [*write_data(folder, 3000), *SMALL, *calm, *given.override]
        overrides += ["trainer.max_epochs=null"]
        home = folder / "home"
        home.mkdir()
        with interface(home):
            timed(home, "run", *overrides, "trainer.max_minutes=0.01")  # the databases are made
            _, alone = timed(home, "run", *overrides, "trainer.max_minutes=0.5")
            summary = json.loads(Path(alone["folders"]["train"], "summary.json").read_text())
            steps = round(summary["updates"] / alone["minutes"] * given.minutes)
            overrides.append(f"trainer.max_steps={steps}")
            runs = [
                timed(home, "run", *overrides, f"trainer.seed={seed}")
                for seed in range(given.children)
            ]
            apart = [seconds for seconds, _ in runs]
            seeds = f"trainer.seed=range(1000,{1000 + given.children})"
            workers = f"sweep.parallel={given.workers}"
            together, report = timed(home, "sweep", *overrides, seeds, workers)
    share = sum(apart) / given.workers
    seeds = report["rows"][0]["seeds"]
    rows = [
        Figure("runs one after the other ÷ workers ÷ the sweep", share / together, 0.9),
        Figure("children in its table", float(seeds), float(given.children)),
        Figure("one after the other", sum(apart), unit=" s"),
        Figure("the sweep", together, unit=" s"),
        Figure("training of a run alone", median([one["minutes"] for _, one in runs]), unit=" min"),
        Figure("training of a child beside another", report["rows"][0]["minutes"], unit=" min"),
    ]
    title = f"{given.children} children of {given.minutes:g} min on {given.workers} workers"
    conclude(title, rows, {"apart": apart, "steps": steps, "sweep": report}, given.out, before)


if __name__ == "__main__":
    main()

"""Equal children on two workers beside the same runs one after the other, the servers up."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from measure import Figure, arguments, clean_environment, conclude, machine_state, seqline
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
        bound = [f"trainer.max_minutes={given.minutes}", "trainer.max_epochs=null"]
        calm = ["trainer.checkpoint_minutes=5", "trainer.validate_every=2"]
        overrides = [*write_data(folder, 3000), *SMALL, *bound, *calm]
        overrides += given.override
        home = folder / "home"
        home.mkdir()
        with interface(home):
            timed(home, "run", *overrides, "trainer.max_minutes=0.01")  # the databases are made
            apart = [
                timed(home, "run", *overrides, f"trainer.seed={seed}")[0]
                for seed in range(given.children)
            ]
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
    ]
    title = f"{given.children} children of {given.minutes:g} min on {given.workers} workers"
    conclude(title, rows, {"apart": apart, "sweep": report}, given.out, before)


if __name__ == "__main__":
    main()

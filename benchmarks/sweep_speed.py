"""Equal children on two workers beside the same runs one after the other, the servers up.

A child trains for so many minutes, so that the figure is what the sweep itself costs. What two
trainings cost each other is the machine's: it is shown as updates beside another ÷ alone.
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

BESIDE = 1000
"""The first seed of the children that train beside another."""


def timed(home, *command):
    started = time.perf_counter()
    done = subprocess.run(
        [seqline(), *command, "--json"], env=clean_environment(home), capture_output=True, text=True
    )
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stderr}")
    return time.perf_counter() - started, json.loads(done.stdout)


def updates_of(home, minutes):
    """Return how many updates the trainings made: those beside another, and those alone."""
    found = {True: [], False: []}
    for folder in home.glob("stages/train-*"):
        trainer = json.loads((folder / "ingredients.json").read_text())["trainer"]
        if trainer["max_minutes"] == minutes:
            updates = json.loads((folder / "summary.json").read_text())["updates"]
            found[trainer["seed"] >= BESIDE].append(updates)
    return found


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
            overrides.append(f"trainer.max_minutes={given.minutes}")
            apart = [
                timed(home, "run", *overrides, f"trainer.seed={seed}")[0]
                for seed in range(given.children)
            ]
            seeds = f"trainer.seed=range({BESIDE},{BESIDE + given.children})"
            workers = f"sweep.parallel={given.workers}"
            together, report = timed(home, "sweep", *overrides, seeds, workers)
        updates = updates_of(home, given.minutes)
    share = sum(apart) / given.workers
    seeds = report["rows"][0]["seeds"]
    rows = [
        Figure("runs one after the other ÷ workers ÷ the sweep", share / together, 0.9),
        Figure("children in its table", float(seeds), float(given.children)),
        Figure("one after the other", sum(apart), unit=" s"),
        Figure("the sweep", together, unit=" s"),
        Figure(
            "updates of a child ÷ of a run alone", median(updates[True]) / median(updates[False])
        ),
    ]
    title = f"{given.children} children of {given.minutes:g} min on {given.workers} workers"
    conclude(
        title,
        rows,
        {"apart": apart, "updates": [*updates.values()], "sweep": report},
        given.out,
        before,
    )


if __name__ == "__main__":
    main()

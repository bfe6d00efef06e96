"""Runs that start together on one SQLite store and one Prefect server: nothing is lost."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import tempfile
from contextlib import closing
from pathlib import Path

from measure import Figure, arguments, clean_environment, conclude, machine_state, seqline
from run_overhead import interface
from soak import left_running
from soak_scenarios import SMALL, write_data


def missing(home, store):
    """Return the points of the local logs that MLflow lacks, and those that it has twice."""
    lost = doubled = 0
    for path in home.glob("runs/*/run.json"):
        run_id = json.loads(path.read_text())["record"]["run_id"]
        query = "select key, step, timestamp from metrics where run_uuid = ?"
        kept = list(store.execute(query, (run_id,)))
        logged = {
            (key, point["step"], point["timestamp_ms"])
            for point in map(json.loads, (path.parent / "points.jsonl").read_text().splitlines())
            for key in point["metrics"]
        }
        lost += len(logged - set(kept))
        doubled += len(kept) - len({(key, step) for key, step, _ in kept})
    return lost, doubled


def main():
    parser = arguments(__doc__, "together")
    parser.add_argument("--runs", type=int, default=8)
    given = parser.parse_args()
    before = machine_state()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        home = folder / "home"
        home.mkdir()
        overrides = [*write_data(folder), *SMALL, *given.override]
        with interface(home):
            logs = [(folder / f"{seed}.log").open("w+") for seed in range(given.runs)]
            runs = [
                subprocess.Popen(
                    [seqline(), "run", *overrides, f"trainer.seed={seed}"],
                    env=clean_environment(home) | {"OMP_NUM_THREADS": "1"},
                    stdout=log,
                    stderr=log,
                )
                for seed, log in enumerate(logs)
            ]
            failed = sum(run.wait() != 0 for run in runs)
        said = [Path(log.name).read_text() for log in logs]
        with closing(sqlite3.connect(home / "mlflow.db")) as store:
            lost, doubled = missing(home, store)
            statuses = [row[0] for row in store.execute("select status from runs")]
        running = left_running(home / "prefect" / "prefect.db")
        prepared = sum("prepare: done in" in text for text in said)
    rows = [
        Figure("runs that failed", float(failed), 0.0, "<="),
        Figure("runs FINISHED in MLflow", float(statuses.count("FINISHED")), float(given.runs)),
        Figure("points of the local logs that MLflow lacks", float(lost), 0.0, "<="),
        Figure("points that it has twice", float(doubled), 0.0, "<="),
        Figure("lock errors said", float(sum("locked" in text for text in said)), 0.0, "<="),
        Figure("left running in Prefect", float(running), 0.0, "<="),
        Figure("times that the data were prepared", float(prepared), 1.0, "<="),
    ]
    conclude(f"{given.runs} runs at once", rows, {"said": said}, given.out, before)


if __name__ == "__main__":
    main()

"""A sweep killed and started again: every child once, one parent, the calm sweep's table."""

from __future__ import annotations

import json
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

from measure import Figure, arguments, clean_environment, conclude, machine_state, seqline
from soak_scenarios import SMALL, write_data

TOLD = ("cell", "settings", "seeds", "primary", "interval", "baseline", "parameters")


def table_of(report):
    return sorted([row[key] for key in TOLD] for row in report["rows"])


def sweep_once(home, overrides):
    done = subprocess.run(
        [seqline(), "sweep", "--json", *overrides],
        env=clean_environment(home), capture_output=True, text=True,
    )  # fmt: skip
    if done.returncode:
        sys.exit(done.stderr)
    return json.loads(done.stdout)


def kill_once(home, overrides, after, log):
    """Start the sweep, kill it without a word; say whether it was still under way."""
    process = subprocess.Popen(
        [seqline(), "sweep", *overrides], env=clean_environment(home), stdout=log, stderr=log
    )
    try:
        process.wait(after)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.wait()
        return True
    return False


def main():
    parser = arguments(__doc__, "sweep_soak")
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--longest", type=float, default=25.0, help="seconds before a kill")
    given = parser.parse_args()
    before, draw = machine_state(), random.Random(given.seed)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        overrides = [*write_data(folder), *SMALL, "trainer.max_epochs=600"]
        overrides += ["tracking.register=false", *given.override]
        overrides += ["cell=rnn,gru", "trainer.seed=0,1,2", "sweep.parallel=2"]
        for each in ("calm", "killed"):
            (folder / each).mkdir()
        calm = sweep_once(folder / "calm", overrides)
        home, kills, moments = folder / "killed", 0, []
        with (folder / "log.txt").open("w") as log:
            while kills < given.kills:
                after = draw.uniform(8, given.longest)
                if not kill_once(home, overrides, after, log):
                    print("finished before it could be killed", file=sys.stderr)
                    break
                kills, moments = kills + 1, [*moments, after]
        started = time.perf_counter()
        last = sweep_once(home, overrides)
        rest = time.perf_counter() - started
        with closing(sqlite3.connect(home / "mlflow.db")) as store:
            statuses = [row[0] for row in store.execute("select status from runs")]
            (parents,) = store.execute(
                "select count(*) from tags where key = 'seqline.sweep'"
            ).fetchone()
        with closing(sqlite3.connect(home / "prefect" / "prefect.db")) as store:
            (running,) = store.execute(
                "select count(*) from flow_run where state_type in ('RUNNING', 'PENDING')"
            ).fetchone()
    rows = [
        Figure("kills", float(kills), float(given.kills)),
        Figure("runs in MLflow, the parent too", float(len(statuses)), 7.0, "=="),
        Figure("of them FINISHED", float(statuses.count("FINISHED")), 7.0, "=="),
        Figure("parents", float(parents), 1.0, "=="),
        Figure("the table is the calm one's", table_of(last) == table_of(calm), True, "=="),
        Figure("flow runs left running", float(running), 0.0, "<="),
    ]
    details = {"moments": moments, "last": rest, "calm": calm, "killed": last}
    conclude(f"A sweep of six, killed {kills} times", rows, details, given.out, before)


if __name__ == "__main__":
    main()

"""Schedules of every minute that nothing serves for a while: what each `--catch-up` runs after.

`seqline serve`, its worker and its server are all away for some minutes. Every run that was due
then must be in Prefect at the end: all are run, the newest alone, or none.
"""

from __future__ import annotations

import signal
import sqlite3
import sys
import tempfile
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from measure import Figure, arguments, conclude, machine_state
from schedule_soak import call, kill, processes_with, serve, stamp
from soak_scenarios import SMALL, write_data

POLICIES = ("all", "last", "none")
GRACE = 120
"""Seconds after which a run that has not begun counts as missed, see docs/many-runs.md."""
ENDED = ("COMPLETED", "CANCELLED", "FAILED", "CRASHED")


def runs_of(home, since, until):
    """Return policy, state and due moment of every run that was due between two moments."""
    with closing(sqlite3.connect(home / "prefect" / "prefect.db")) as store:
        return list(
            store.execute(
                "select deployment.name, flow_run.state_name, flow_run.state_type, "
                "flow_run.expected_start_time, flow_run.start_time from flow_run join deployment "
                "on flow_run.deployment_id = deployment.id where flow_run.auto_scheduled "
                "and flow_run.expected_start_time between ? and ? order by 4",
                (f"{since:%Y-%m-%d %H:%M:%S}", f"{until:%Y-%m-%d %H:%M:%S}"),
            )
        )


def main():
    parser = arguments(__doc__, "catch_up")
    parser.add_argument("--minutes", type=float, default=5.0, help="without worker and server")
    given = parser.parse_args()
    before = machine_state()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        home = folder / "home"
        home.mkdir()
        overrides = [*write_data(folder), *SMALL, "trainer.max_epochs=2", *given.override]
        with (folder / "serve.txt").open("w") as log:
            serving = serve(home, log)
            call(home, "run", "--json", *overrides)  # the databases and the stages are made
            for seed, policy in enumerate(POLICIES):  # a seed each: twins of one minute are refused
                rule = ["--overlap", "queue", "--catch-up", policy, "--name", policy]
                own = [*overrides, f"trainer.seed={seed}"]
                call(home, "schedule", "--cron", "* * * * *", *rule, *own)
            time.sleep(60 - time.time() % 60 + 30)  # the server has made runs in advance
            serving.kill()
            kill([], home)  # the worker, the server, and what guards them
            serving.wait()
            time.sleep(2)
            left = processes_with([], home)
            if left:
                sys.exit(f"still there after the kill: {left}")
            away = datetime.now(UTC)
            time.sleep(given.minutes * 60)
            serving, back = serve(home, log), datetime.now(UTC)
            end = time.monotonic() + 600
            while time.monotonic() < end:
                runs = runs_of(home, away, back)
                if runs and all(one[2] in ENDED for one in runs):
                    break
                time.sleep(5)
            serving.send_signal(signal.SIGTERM)
            serving.wait(60)
    late = {
        policy: [one for one in runs if one[0] == policy
                 and (back - stamp(one[3])).total_seconds() > GRACE]
        for policy in POLICIES
    }  # fmt: skip
    ran = {p: sum(one[2] == "COMPLETED" for one in found) for p, found in late.items()}
    told = {p: sum(one[1] == "Skipped" for one in found) for p, found in late.items()}
    newest = [one for one in runs if one[0] == "last"][-1:]
    rows = [
        Figure("runs that were due meanwhile, of all three", float(len(runs)),
               float(3 * int(given.minutes)), ">="),
        Figure("of them ended one way or the other",
               float(sum(one[2] in ENDED for one in runs)), float(len(runs))),
        Figure("all: missed runs that were run", float(ran["all"]), float(len(late["all"]))),
        Figure("last: missed runs that were run", float(ran["last"]), 1.0, "<="),
        Figure("last: the newest that was due was run",
               float(sum(one[2] == "COMPLETED" for one in newest)), 1.0),
        Figure("last: the others are said to be skipped",
               float(told["last"] + ran["last"]), float(len(late["last"]))),
        Figure("none: missed runs that were run", float(ran["none"]), 0.0, "<="),
        Figure("none: missed runs that are said to be skipped",
               float(told["none"]), float(len(late["none"]))),
    ]  # fmt: skip
    details = {"runs": [list(map(str, one)) for one in runs], "away": str(away), "back": str(back)}
    what = f"Schedules of every minute after {given.minutes:g} minutes away"
    conclude(what, rows, details, given.out, before)


if __name__ == "__main__":
    main()

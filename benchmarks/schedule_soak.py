"""A schedule of every minute, its worker killed once and the server once: no due run is lost.

Also the time from the moment a run is due, the worker idle, to its first stage.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from measure import Figure, arguments, clean_environment, conclude, machine_state, median, seqline
from soak_scenarios import SMALL, write_data

STAGE = "prepare"


def processes_with(words, home):
    """Return the processes of a home whose command holds all words."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                command = (entry / "cmdline").read_bytes().decode(errors="replace")
                environment = (entry / "environ").read_bytes().decode(errors="replace")
            except OSError:
                continue
            if f"SEQLINE_HOME={home}\0" in environment and all(word in command for word in words):
                found.append(int(entry.name))
    return found


def kill(words, home):
    for pid in processes_with(words, home):
        if pid != os.getpid():
            os.kill(pid, signal.SIGKILL)


def call(home, *words):
    done = subprocess.run(
        [seqline(), *words], env=clean_environment(home), capture_output=True, text=True
    )
    if done.returncode:
        sys.exit(f"{' '.join(words)}\n{done.stderr}")
    return done.stdout


def serve(home, log):
    """Start `seqline serve`; return it once it says where it is."""
    (home / "serve.json").unlink(missing_ok=True)
    serving = subprocess.Popen(
        [seqline(), "serve"], env=clean_environment(home), stdout=log, stderr=log
    )
    while not (home / "serve.json").exists():
        if serving.poll() is not None:
            sys.exit(Path(log.name).read_text())
        time.sleep(0.5)
    return serving


def stamp(text):
    return datetime.fromisoformat(str(text)).replace(tzinfo=UTC)


def main():
    parser = arguments(__doc__, "schedule_soak")
    parser.add_argument("--minutes", type=int, default=10)
    given = parser.parse_args()
    before = machine_state()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        home = folder / "home"
        home.mkdir()
        overrides = [*write_data(folder), *SMALL, "trainer.max_epochs=2", *given.override]
        serving = serve(home, (folder / "serve.txt").open("w"))
        call(home, "run", "--json", *overrides)  # the databases and the stages are made
        catch_up = ["--overlap", "queue", "--catch-up", "all", "--name", "soak"]
        call(home, "schedule", "--cron", "* * * * *", *catch_up, *overrides)
        began = datetime.now(UTC)
        kills = {
            given.minutes * 60 * 0.3: ["worker", "start"],
            given.minutes * 60 * 0.6: ["prefect_server"],
        }
        for after, words in kills.items():
            time.sleep(
                max(0.0, (began + timedelta(seconds=after) - datetime.now(UTC)).total_seconds())
            )
            kill(words, home)
        ended = began + timedelta(minutes=given.minutes)
        time.sleep(max(0.0, (ended - datetime.now(UTC)).total_seconds()))
        call(home, "schedule", "pause", "soak")
        database, end = home / "prefect" / "prefect.db", time.monotonic() + 240
        due = int((ended - began).total_seconds() // 60)
        while time.monotonic() < end:
            with closing(sqlite3.connect(database)) as store:
                runs = list(
                    store.execute(
                        "select id, state_name, state_type, expected_start_time from flow_run "
                        "where auto_scheduled and expected_start_time between ? and ?",
                        (f"{began:%Y-%m-%d %H:%M:%S}", f"{ended:%Y-%m-%d %H:%M:%S}"),
                    )
                )
                stages = dict(
                    store.execute(
                        "select flow_run_id, min(start_time) from task_run where name like ? "
                        "group by flow_run_id",
                        (f"{STAGE}%",),
                    )
                )
            if all(one[2] in ("COMPLETED", "CANCELLED", "FAILED", "CRASHED") for one in runs):
                break
            time.sleep(2)
        with closing(sqlite3.connect(home / "mlflow.db")) as store:
            tagged = [
                row[0]
                for row in store.execute("select value from tags where key = 'prefect.flow_run'")
            ]
        serving.send_signal(signal.SIGTERM)
        serving.wait(60)
        said = (folder / "serve.txt").read_text()
    moments = [one[3] for one in runs]
    completed = {one[0] for one in runs if one[2] == "COMPLETED"}
    skipped = {one[0] for one in runs if one[1] == "Skipped"}
    waits = [
        (stamp(stages[one[0]]) - stamp(one[3])).total_seconds() for one in runs if one[0] in stages
    ]
    rows = [
        Figure("runs that were due", float(len(runs)), float(due)),
        Figure("of them completed or said to be skipped",
               float(len(completed | skipped)), float(len(runs))),
        Figure("moments that have two", float(len(moments) - len(set(moments))), 0.0, "<="),
        Figure("runs in MLflow that have two", float(len(tagged) - len(set(tagged))), 0.0, "<="),
        Figure("due to first stage, median", median(waits) if waits else None, 15.0, "<=", " s"),
    ]  # fmt: skip
    details = {"runs": [list(map(str, one)) for one in runs], "waits": waits, "said": said}
    conclude(f"Every minute for {given.minutes}", rows, details, given.out, before)


if __name__ == "__main__":
    main()

"""Runs killed at random moments, continued to their end, and compared with the calm run.

Each scenario of `soak_scenarios.py` is a configuration. A calm run of it is what the others must
equal: the same weights, figures and exports to the byte, one MLflow run that is FINISHED, every
metric step there once, nothing left RUNNING in Prefect, each stage made once. `--target` says who
is killed: the run's whole process group, or one of the servers under it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from measure import Figure, arguments, clean_environment, conclude, machine_state
from soak_scenarios import SCENARIOS
from soak_servers import PrefectServer, TrackingServer

SEQLINE = [sys.executable, "-c", "from seqline.cli.main import console; console()"]
KILLS_A_RUN = 5
PHASES = ("starting", "prepare", "train", "evaluate", "export", "ending")
RUNS = "select status from runs where lifecycle_stage = 'active'"
OFTEN = (1, 1, 3, 1, 1, 2)
"""How often each phase is chosen."""
LONGEST = 600.0
"""Seconds in which one attempt must end or be killed."""


class Attempts:
    """The attempts at one run: started, killed, started again.

    As a context manager it leaves no process behind, however the block ends.
    """

    def __init__(self, home: Path, overrides: list[str], variables: dict[str, str]) -> None:
        self.home, self.overrides = home, overrides
        self.variables = {**clean_environment(home), "OMP_NUM_THREADS": "1", **variables}
        self.log = home.parent / f"{home.name}.log"
        self.logs: list[str] = []
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Attempts:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process is not None and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def start(self, *, resume: bool) -> subprocess.Popen[bytes]:
        """Start `seqline run`, or `seqline resume`, as the leader of a group of its own."""
        command = ["resume"] if resume else ["run", *self.overrides]
        with self.log.open("wb") as stream:
            self.process = subprocess.Popen(
                [*SEQLINE, *command],
                env=self.variables,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=stream,
                start_new_session=True,
            )
        return self.process

    def wait_for(self, phase: str, process: subprocess.Popen[bytes]) -> None:
        """Wait until the phase begins or the process ends."""
        awaited = {"starting": "", "ending": "export: done"}.get(phase, f"{phase}: started")
        end = time.monotonic() + LONGEST
        while awaited not in self.log.read_text(errors="replace") and process.poll() is None:
            if time.monotonic() > end:
                sys.exit(f"{phase} did not come; {self.log} says why")
            time.sleep(0.005)

    def finish(self, process: subprocess.Popen[bytes]) -> int:
        """Wait for the end; return the status."""
        try:
            status = process.wait(LONGEST)
        except subprocess.TimeoutExpired:
            said = self.log.read_text(errors="replace")
            sys.exit(f"{self.home.name} did not end in {LONGEST:.0f} s:\n{said}")
        self.logs.append(self.log.read_text(errors="replace"))
        return status

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        """Kill the whole process group, which cannot say a word any more."""
        os.killpg(process.pid, signal.SIGKILL)
        self.finish(process)

    @property
    def finished(self) -> bool:
        """Say whether the record says that the run is finished."""
        return any(record["status"] == "finished" for record in self.records())

    def records(self) -> list[dict[str, Any]]:
        """Return the records of the home's runs."""
        found = self.home.glob("runs/*/run.json")
        return [json.loads(path.read_text(encoding="utf-8"))["record"] for path in found]


def outcome(home: Path, database: Path) -> dict[str, Any]:
    """Return what a run left, in a form that two runs can be compared by."""

    def digest(path: Path) -> str:
        return hashlib.sha256(path.read_bytes()).hexdigest()

    (record,) = [
        json.loads(path.read_text(encoding="utf-8"))["record"]
        for path in home.glob("runs/*/run.json")
    ]
    folders = {name: home / "stages" / f"{name}-{d[:16]}" for name, d in record["stages"].items()}
    history = (folders["train"] / "history.jsonl").read_text().splitlines()
    export = folders["export"] / "model"
    found: dict[str, Any] = {
        "weights": digest(folders["train"] / "weights.safetensors"),
        "figures": digest(folders["evaluate"] / "metrics.json"),
        "predictions": digest(folders["evaluate"] / "predictions.jsonl"),
        "history": [[one["step"], one["metrics"]] for one in map(json.loads, history)],
        "export": {
            str(path.relative_to(export)): digest(path)
            for path in sorted(export.rglob("*"))
            if path.is_file() and "state.json" not in path.name
        },
        "stages": sorted(path.name.split("-")[0] for path in (home / "stages").iterdir()),
    }
    with closing(sqlite3.connect(database)) as store:
        found["runs"] = [row[0] for row in store.execute(RUNS)]
        timed = ("throughput/tokens_per_second", "train/minutes")
        points = list(store.execute("select key, step, value from metrics order by key, step"))
        found["points"] = [p for p in points if p[0] not in timed]
        found["timed"] = sorted(p[0] for p in points if p[0] in timed)
        found["models"] = list(store.execute("select name, version from model_versions"))
        kept = "select model_id from logged_models where lifecycle_stage = 'active'"
        found["logged models"] = len(list(store.execute(kept)))
    return found


def left_running(database: Path) -> int:
    """Return how many flow and task runs Prefect still takes to be running."""
    with closing(sqlite3.connect(database)) as store:
        states = [
            row[0]
            for table in ("flow_run", "task_run")
            for row in store.execute(f"select state_type from {table}")
        ]
    return sum(state not in ("COMPLETED", "CRASHED", "FAILED", "CANCELLED") for state in states)


class Soak:
    """Scenarios one after the other, until enough has been killed."""

    def __init__(self, folder: Path, seed: int, target: str, first: int, extra: list[str]) -> None:
        self.folder, self.target, self.first, self.extra = folder, target, first, extra
        self.draw = random.Random(seed)
        (folder / "data").mkdir()
        self.calm: dict[int, tuple[dict[str, Any], float]] = {}
        self.kills: list[dict[str, Any]] = []
        self.differences: list[str] = []
        self.runs = 0

    def calm_run(self, number: int) -> tuple[dict[str, Any], float]:
        """Return what the undisturbed run of a scenario leaves, and how long it takes."""
        if number not in self.calm:
            home = self.folder / f"calm-{number}"
            started = time.monotonic()
            with Attempts(home, self.overrides(number), {}) as attempts:
                if attempts.finish(attempts.start(resume=False)):
                    sys.exit(attempts.logs[-1])
            found = outcome(home, home / "mlflow.db")
            self.calm[number] = found, time.monotonic() - started
        return self.calm[number]

    def overrides(self, number: int) -> list[str]:
        """Return the overrides of a scenario, its data written."""
        folder = self.folder / "data" / str(number)
        folder.mkdir(exist_ok=True)
        scenario = SCENARIOS[number]
        return [*scenario.write(folder), *scenario.overrides, *self.extra]

    def go(self, kills: int) -> None:
        """Kill, continue and compare."""
        while len(self.kills) < kills:
            number = (self.first + self.runs) % len(SCENARIOS)
            wanted, seconds = self.calm_run(number)
            home = self.folder / f"killed-{self.runs}"
            self.runs += 1
            with contextlib.ExitStack() as stack:
                attempts = stack.enter_context(Attempts(home, self.overrides(number), {}))
                database = home / "mlflow.db"
                if self.target == "run":
                    until = min(kills, len(self.kills) + KILLS_A_RUN)
                    self.killed_run(attempts, until, seconds)
                else:
                    of = TrackingServer if self.target == "tracking" else PrefectServer
                    server = stack.enter_context(of(home))
                    database = server.database or database
                    attempts.variables |= server.variables
                    self.killed_server(attempts, server, seconds)
                self.compare(attempts, wanted, database)
            print(f"run {self.runs}, scenario {number}: {len(self.differences)} differences")

    def killed_run(self, attempts: Attempts, until: int, seconds: float) -> None:
        """Kill the run again and again, each time as far or further, then let it finish."""
        chosen = self.draw.choices(range(len(PHASES)), weights=OFTEN, k=until - len(self.kills))
        for phase in (PHASES[number] for number in sorted(chosen)):
            if attempts.finished:
                return
            process = attempts.start(resume=self.resumes(attempts))
            attempts.wait_for(phase, process)
            longest = {"starting": 0.4 * seconds, "train": 0.2 * seconds}.get(phase, 0.8)
            time.sleep(self.draw.uniform(0, longest))
            if process.poll() is None:
                attempts.kill(process)
                self.kills.append({"run": self.runs, "phase": phase})
                print(f"kill {len(self.kills)}: {phase}", flush=True)
            elif attempts.finish(process):
                sys.exit(attempts.logs[-1])
        if not attempts.finished and attempts.finish(attempts.start(resume=self.resumes(attempts))):
            sys.exit(attempts.logs[-1])

    def resumes(self, attempts: Attempts) -> bool:
        """Say whether to use `resume`: by chance, where there is something to continue."""
        return self.draw.random() < 0.5 and any(
            one["run_id"] or one["stages"] for one in attempts.records()
        )

    def killed_server(self, attempts: Attempts, server: Any, seconds: float) -> None:
        """Kill the server once, bring it back after a moment, continue if the run has failed."""
        phase = self.draw.choice(PHASES[1:])
        process = attempts.start(resume=False)
        attempts.wait_for(phase, process)
        time.sleep(self.draw.uniform(0, 0.3 * seconds if phase == "train" else 0.5))
        server.kill()
        self.kills.append({"run": self.runs, "phase": phase})
        print(f"kill {len(self.kills)}: {self.target} in {phase}", flush=True)
        time.sleep(self.draw.uniform(0, 5))
        server.start()
        while attempts.finish(process):
            if "Traceback" in attempts.logs[-1] or len(attempts.logs) > 3:
                sys.exit(attempts.logs[-1])
            process = attempts.start(resume=True)

    def compare(self, attempts: Attempts, wanted: dict[str, Any], database: Path) -> None:
        """Note each way in which what is left is not what the calm run left."""
        found = outcome(attempts.home, database)
        for what, value in wanted.items():
            if found[what] != value:
                self.differences.append(f"run {self.runs}: {what}: {found[what]} != {value}"[:2000])
        made = "\n".join(attempts.logs)
        for stage in ("prepare", "train", "evaluate", "export"):
            if made.count(f"{stage}: done in") > 1:
                self.differences.append(f"run {self.runs}: {stage} was made twice")
        if "Traceback" in made:
            self.differences.append(f"run {self.runs}: a traceback: {made[-3000:]}")
        prefect = attempts.home / "prefect" / "prefect.db"
        if running := left_running(prefect):
            self.differences.append(f"run {self.runs}: {running} left running in Prefect")
        if list(attempts.home.glob("checkpoints/*/*")):
            self.differences.append(f"run {self.runs}: checkpoints left")


def main() -> None:
    parser = arguments(__doc__, "soak")
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="the scenario to begin with")
    parser.add_argument("--target", choices=("run", "tracking", "prefect"), default="run")
    given = parser.parse_args()
    before = machine_state()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # and the processes end with us
    with tempfile.TemporaryDirectory() as folder:
        soak = Soak(Path(folder), given.seed, given.target, given.first, given.override)
        soak.go(given.kills)
    for difference in soak.differences:
        print(difference)
    rows = [
        Figure("kills", float(len(soak.kills)), float(given.kills)),
        Figure("runs continued to their end", float(soak.runs)),
        Figure("differences from the calm run", float(len(soak.differences)), 0.0, "<="),
    ]
    details = {"kills": soak.kills, "differences": soak.differences}
    conclude(f"SIGKILL of the {given.target}", rows, details, given.out, before)


if __name__ == "__main__":
    main()

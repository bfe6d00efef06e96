"""Runs whose surroundings fail under them, compared with the calm run.

clock      set back an hour in the middle of the training, and back again at a resume
stopped    the whole process group by SIGSTOP, then told to go on
read-only  the home, in the middle of the training, then writable again
away       the tracking server, killed in the middle of the training, then there again

What is left must be what the calm run leaves, as in the soak. The clock needs a C++ compiler,
the read-only home the right to mount; a case that cannot be made says so.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from measure import Figure, arguments, conclude, machine_state
from soak import Attempts, Soak
from soak_servers import TrackingServer

from seqline_plugins.recurrence.generated.compiler import CompilerError, find_compiler


class Case:
    """One run and what is done to it; `lost` lists what is not as it should be."""

    def __init__(self, soak: Soak, name: str, seconds: float) -> None:
        self.soak, self.name, self.seconds = soak, name, seconds
        self.home = soak.folder / name
        self.attempts = Attempts(self.home, soak.overrides(soak.first), {})
        self.database = self.home / "mlflow.db"
        self.lost: list[str] = []

    def start(self, *, resume: bool = False) -> subprocess.Popen[bytes]:
        """Start an attempt and wait until it has trained for a moment."""
        process = self.attempts.start(resume=resume)
        self.attempts.wait_for("train", process)
        checkpoints = self.home / "checkpoints"
        while process.poll() is None and not list(checkpoints.glob("*/checkpoint-*")):
            time.sleep(0.01)
        if process.poll() is not None:
            sys.exit(f"{self.name}: it ended too soon: {self.attempts.log.read_text()}")
        return process

    def ends(self, process: subprocess.Popen[bytes], status: int = 0) -> None:
        """Note when an attempt does not end with the status that it should."""
        found = self.attempts.finish(process)
        if found != status:
            self.lost.append(f"status {found}, not {status}: {self.attempts.logs[-1][-1500:]}")

    def compared(self) -> list[str]:
        """Return what is lost, after comparing with the calm run."""
        if not self.lost:
            calm, _ = self.soak.calm_run(self.soak.first)
            self.soak.compare(self.attempts, calm, self.database)
            self.lost, self.soak.differences = self.soak.differences, []
        return self.lost


def set_clock_back(case: Case) -> None:
    """Set the clock back an hour under a run, kill it, and go on with the clock right again."""
    clock, library = case.soak.folder / "time-of-day", case.soak.folder / "clock.so"
    source = Path(__file__).with_name("clock_set_back.cpp")
    command = [find_compiler().path, "-O2", "-shared", "-fPIC", str(source), "-o", str(library)]
    subprocess.run(command, check=True)
    clock.write_text("0")
    case.attempts.variables |= {"LD_PRELOAD": str(library), "CLOCK_OFFSET": str(clock)}
    process = case.start()
    clock.write_text("-3600")
    time.sleep(case.seconds)
    case.attempts.kill(process)
    process = case.start(resume=True)
    clock.write_text("0")
    case.ends(process)


def stop(case: Case) -> None:
    """Stop the whole process group for a while."""
    process = case.start()
    os.killpg(process.pid, signal.SIGSTOP)
    time.sleep(case.seconds)
    os.killpg(process.pid, signal.SIGCONT)
    case.ends(process)


def make_read_only(case: Case) -> None:
    """Make the home read-only for whatever is opened from now on; the run must say so and end."""
    process = case.start()
    os.killpg(process.pid, signal.SIGSTOP)
    home = str(case.home)
    subprocess.run(["mount", "--bind", home, home], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", home], check=True)
        os.killpg(process.pid, signal.SIGCONT)
        case.ends(process, 1)
        again = case.attempts.start(resume=True)
        case.ends(again, 2)
    finally:
        subprocess.run(["umount", "--lazy", home], check=True)
    for said in case.attempts.logs:
        if "cannot be written to" not in said or "Traceback" in said:
            case.lost.append(f"it does not say so: {said[-1500:]}")
    case.ends(case.attempts.start(resume=True))


def take_server_away(case: Case) -> None:
    """Kill the tracking server in the middle of the training; it answers again after a while."""
    server = TrackingServer(case.home)
    case.database = server.database or case.database
    case.attempts.variables |= server.variables
    with server:
        process = case.start()
        server.kill()
        time.sleep(case.seconds)
        if process.poll() is not None:
            case.lost.append(f"it did not wait: {case.attempts.log.read_text()}")
        server.start()
        case.ends(process)


def no_compiler() -> str:
    """Say that there is no compiler, if there is none."""
    try:
        find_compiler()
    except CompilerError as reason:
        return str(reason)
    return ""


def cannot_mount(folder: Path) -> bool:
    """Say whether a folder cannot be mounted here."""
    place = str(folder)
    if shutil.which("mount") is None:
        return True
    done = subprocess.run(["mount", "--bind", place, place], capture_output=True, check=False)
    if done.returncode == 0:
        subprocess.run(["umount", place], check=True)
    return done.returncode != 0


def main() -> None:
    parser = arguments(__doc__, "surroundings")
    parser.add_argument("--stopped", type=float, default=60, help="seconds")
    parser.add_argument("--away", type=float, default=120, help="seconds")
    parser.add_argument("--cases", nargs="*", default=["clock", "stopped", "read-only", "away"])
    given = parser.parse_args()
    before = machine_state()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # and the processes end with us
    rows, details = [], {}
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        soak = Soak(Path(name), 0, "run", 0, given.override)
        cases: dict[str, tuple[Callable[[Case], None], float, str]] = {
            "clock": (set_clock_back, 1, no_compiler()),
            "stopped": (stop, given.stopped, ""),
            "read-only": (
                make_read_only,
                0,
                "nothing can be mounted" if cannot_mount(soak.folder) else "",
            ),
            "away": (take_server_away, given.away, ""),
        }
        for what in given.cases:
            action, seconds, missing = cases[what]
            if missing:
                rows.append(Figure(f"{what}: {missing}", None, 0.0, "<="))
                continue
            case = Case(soak, what, seconds)
            try:
                with case.attempts:
                    action(case)
            except SystemExit as ended:  # the others are tried all the same
                case.lost.append(str(ended.code))
            details[what] = {"lost": case.compared(), "said": case.attempts.logs}
            print(what, *details[what]["lost"], sep="\n", flush=True)
            lost = float(len(details[what]["lost"]))
            rows.append(Figure(f"{what}: what is not as in the calm run", lost, 0.0, "<="))
    conclude("Surroundings that fail", rows, details, given.out, before)


if __name__ == "__main__":
    main()

"""Two hundred wrong inputs: each must end with status 2, one message, and an untouched store.

One half is written down, the mistakes that people make; the other is made by a fuzzer, which
damages overrides, data files, exports and records in ways that leave nothing right about them.
Every command runs in a process of its own, forked from one that has the imports behind it.
"""

from __future__ import annotations

import hashlib
import importlib
import os
import random
import signal
import sqlite3
import sys
import tempfile
import time
import traceback
from contextlib import closing
from pathlib import Path
from typing import Any, NoReturn

from measure import Figure, arguments, clean_environment, conclude, machine_state, run_seqline
from run_overhead import interface
from soak_scenarios import SMALL, write_data
from wrong_cases import (
    Case,
    Ground,
    written_cases,
    wrong_export,
    wrong_file,
    wrong_home,
    wrong_override,
)

from seqline.cli.main import main as main_of_seqline
from seqline.home import Home, quiet_environment
from seqline.services.ui import running_ui

LONGEST = 120.0
"""Seconds after which a command counts as hanging."""


def all_cases(ground: Ground, count: int) -> list[Case]:
    """Return the written cases, and as many made ones of every kind as are still wanted."""
    cases = list(written_cases(ground))[:count]
    keys = options_of()
    makers = [lambda: wrong_override(ground, keys)] * 3
    makers += [lambda: wrong_file(ground), lambda: wrong_export(ground), lambda: wrong_home(ground)]
    while len(cases) < count:
        cases.append(makers[len(cases) % len(makers)]())
    return cases


def options_of() -> dict[str, Any]:
    """Return the composed configuration, one entry for a key that can be set."""
    from seqline.config.compose import compose

    found: dict[str, Any] = {}

    def walk(value: Any, place: str) -> None:
        if isinstance(value, dict):
            for key, inner in value.items():
                walk(inner, f"{place}.{key}" if place else key)
        elif not place.endswith(("name", "source")):
            found[place] = value

    walk(compose([]), "")
    return found


def state_of(home: Path) -> str:
    """Return the digest of what a home holds: runs, figures, records, stages, checkpoints."""
    digest = hashlib.sha256()
    tables = ("runs", "metrics", "params", "tags", "model_versions", "logged_models")
    with closing(sqlite3.connect(home / "mlflow.db")) as store:
        known = {row[0] for row in store.execute("select name from sqlite_master")}
        for table in sorted(known.intersection(tables)):
            rows = store.execute(f"select * from {table}")
            digest.update(repr([table, *sorted(map(repr, rows))]).encode())
    for part in ("runs", "stages", "checkpoints", "artifacts"):
        for path in sorted((home / part).rglob("*")):
            digest.update(str(path.relative_to(home)).encode())
            if path.is_file():
                digest.update(path.read_bytes())
    return digest.hexdigest()


def import_all(home: Path) -> None:
    """Import what commands import, as a command in this home would, with its Prefect server."""
    os.environ.update(clean_environment(home))
    up = running_ui(Home(home))
    assert up is not None
    os.environ["PREFECT_API_URL"] = up.prefect + "/api"
    quiet_environment()
    for module in ("mlflow.tracking", "seqline.flow", "seqline.exported", "seqline.runs.claim"):
        importlib.import_module(module)


def ask(case: Case, log: Path) -> tuple[int, str]:
    """Run a command in a forked process; return its status and what it said."""
    log.unlink(missing_ok=True)
    pid = os.fork()
    if pid == 0:
        become(case, log)
    end = time.monotonic() + LONGEST
    while (ended := os.waitpid(pid, os.WNOHANG))[0] == 0:
        if time.monotonic() > end:
            os.kill(pid, signal.SIGKILL)
            end += LONGEST
        time.sleep(0.01)
    return os.waitstatus_to_exitcode(ended[1]), log.read_text(errors="replace")


def become(case: Case, log: Path) -> NoReturn:
    """Be the command: its environment, its output in `log`, its status; never returns."""
    status = 1
    try:
        stream = os.open(log, os.O_WRONLY | os.O_CREAT)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for number in (1, 2):
            os.dup2(stream, number)
        os.environ.clear()
        os.environ.update(clean_environment(case.home))
        status = main_of_seqline(case.arguments)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def complaints(case: Case, status: int, said: str, altered: bool) -> list[str]:
    """Return what is wrong with how a command was refused."""
    messages = sum(line.lower().startswith("error: ") for line in said.splitlines())
    found = {
        f"status {status}": status != 2,
        f"{messages} messages": messages != 1,
        "a traceback": "Traceback" in said,
        f"does not name {case.names}": case.names not in said,
        "the store was altered": altered,
    }
    return [what for what, wrong in found.items() if wrong]


def main() -> None:
    parser = arguments(__doc__, "wrong_input", overrides=False)
    parser.add_argument("--inputs", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    before = machine_state()
    results = []
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        home = folder / "home"
        data = write_data(folder)
        (folder / "made").mkdir()
        home.mkdir()
        with interface(home):
            report, _ = run_seqline(home, [*data, *SMALL, "trainer.max_epochs=2"])
            import_all(home)
            ground = Ground(folder, home, data, report, random.Random(given.seed))
            for case in all_cases(ground, given.inputs):
                state = state_of(case.home)
                status, said = ask(case, folder / "said.txt")
                wrong = complaints(case, status, said, state_of(case.home) != state)
                results.append({"arguments": case.arguments, "wrong": wrong, "said": said})
                if wrong:
                    print(len(results), case.arguments, wrong, said[-1500:], sep="\n", flush=True)
        executed = (folder / "executed").exists()
    right = sum(not result["wrong"] for result in results)
    rows = [
        Figure("wrong inputs", float(len(results)), float(given.inputs)),
        Figure("refused: status 2, one message, store intact", float(right), float(given.inputs)),
        Figure("pickles that were executed", float(executed), 0.0, "<="),
    ]
    conclude("Wrong inputs", rows, results, given.out, before)


if __name__ == "__main__":
    main()

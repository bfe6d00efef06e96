"""What Prefect, MLflow and the command line add to the work of a run.

The wall time of `seqline run` less that of a process that composes the same configuration and
calls the four stage functions, without Prefect and MLflow: in a fresh home, later in the same
home (every stage repeated by --fresh), and there with `seqline ui` up. Each pair runs one after
the other, and all pairs are repeated in turns; the figure is the median difference.
"""

import contextlib
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from measure import (
    Figure,
    arguments,
    clean_environment,
    conclude,
    data_overrides,
    machine_state,
    median,
    run_seqline,
    seqline,
)

BARS = {"first": 25.0, "later": 12.0, "with seqline ui": 5.0}
STAGES_ALONE = "--stages-alone"


def stages_alone(overrides):
    """Compose and call the four stages; print the seconds that the calls took."""
    from seqline import stages
    from seqline.config.compose import compose
    from seqline.home import open_home
    from seqline.reporter import SilentReporter
    from seqline.training.loop import Watchers

    config, home, reporter = compose(overrides), open_home(), SilentReporter()
    started = time.perf_counter()
    given = (config, stages.Workspace(home, reporter))
    prepared = stages.prepare(*given)
    watchers = Watchers(reporter, home.checkpoints / "run")
    trained = stages.train(*given, prepared, watchers)
    evaluated = stages.evaluate(*given, prepared, trained)
    stages.export(*given, prepared, trained, evaluated)
    seconds = time.perf_counter() - started
    unwanted = sorted({"prefect", "mlflow"} & set(sys.modules))
    print(json.dumps({"calls": seconds, "unwanted": unwanted}))


def time_stages(overrides):
    """Return the wall time of a fresh process that does the stages alone, and of its calls."""
    command = [sys.executable, __file__, STAGES_ALONE, *overrides]
    with tempfile.TemporaryDirectory() as home:
        started = time.perf_counter()
        done = subprocess.run(
            command, env=clean_environment(Path(home)), capture_output=True, text=True
        )
        wall = time.perf_counter() - started
    if done.returncode:
        sys.exit(done.stderr)
    said = json.loads(done.stdout.splitlines()[-1])
    if said["unwanted"]:
        sys.exit(f"the stages alone imported {said['unwanted']}")
    return wall, said["calls"]


@contextlib.contextmanager
def interface(home):
    """Have `seqline ui` up for a home while the block lasts."""
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [seqline(), "ui"], env=clean_environment(home), stdout=log, stderr=log
        )
        end = time.monotonic() + 600
        try:
            while not (home / "ui.json").exists():
                if process.poll() is not None or time.monotonic() > end:
                    log.seek(0)
                    sys.exit(f"`seqline ui` did not come up: {log.read().decode()[-2000:]}")
                time.sleep(0.2)
            time.sleep(3)  # its own start-up is over
            yield
        finally:
            process.terminate()  # SIGINT is ignored where this runs in the background
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def measure_pair(case, home, overrides):
    """Return the seconds of the stages alone and of the whole run, one after the other."""
    wall, calls = time_stages(overrides)
    _, whole = run_seqline(home, overrides, *([] if case == "first" else ["--fresh"]))
    print(f"{case}: run {whole:.1f} s, stages {wall:.1f} s ({calls:.1f} s)", file=sys.stderr)
    return {"case": case, "run": whole, "stages_process": wall, "stages_calls": calls}


def main():
    if STAGES_ALONE in sys.argv[1:2]:
        stages_alone(sys.argv[2:])
        return
    parser = arguments(__doc__, "run_overhead")
    parser.add_argument("--data", type=Path, required=True, help="the parent of pos_tagging/")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    overrides = [*data_overrides(given.data, "en_atis"), "trainer.max_epochs=1"]
    overrides += [f"trainer.threads={given.threads}", *given.override]
    before, pairs = machine_state(), []
    for _ in range(given.repeats):
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
            home = Path(name)
            pairs.append(measure_pair("first", home, overrides))
            pairs.append(measure_pair("later", home, overrides))
            with interface(home):
                pairs.append(measure_pair("with seqline ui", home, overrides))
    rows = []
    for case, bar in BARS.items():
        of_case = [pair for pair in pairs if pair["case"] == case]
        added = median([pair["run"] - pair["stages_process"] for pair in of_case])
        rows.append(Figure(f"{case}: run − the stages' process", added, bar, "<=", " s"))
        strict = median([pair["run"] - pair["stages_calls"] for pair in of_case])
        rows.append(Figure(f"{case}: run − the stages' calls, imports added", strict, unit=" s"))
        whole = median([pair["run"] for pair in of_case])
        rows.append(Figure(f"{case}: the whole run", whole, unit=" s"))
    conclude("What a run adds to its stages", rows, pairs, given.out, before)


if __name__ == "__main__":
    main()

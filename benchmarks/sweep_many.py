"""Many tiny children: all there, the sweep's own memory flat, both pages still answer at once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from measure import Figure, arguments, clean_environment, conclude, machine_state, median, seqline
from run_overhead import interface
from soak_scenarios import SMALL, write_data


def memory(pid):
    """Return a process's own memory in MiB, None when it is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return None
    return next((int(x.split()[1]) / 1024 for x in lines if x.startswith("RssAnon")), None)


def seconds_of(url, body):
    """Return how long a page's own question to its server takes."""
    request = urllib.request.Request(
        url, data=json.dumps(body).encode(), headers={"Content-Type": "application/json"}
    )
    started = time.perf_counter()
    with urllib.request.urlopen(request, timeout=60) as answer:
        answer.read()
    return time.perf_counter() - started


def main():
    parser = arguments(__doc__, "sweep_many")
    parser.add_argument("--children", type=int, default=200)
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    before = machine_state()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        tiny = ["trainer.max_epochs=1", "trainer.average=null", "tracking.register=false"]
        overrides = [*write_data(folder), *SMALL, *tiny, *given.override]
        home = folder / "home"
        home.mkdir()
        with interface(home):
            command = [seqline(), "sweep", "--json", *overrides]
            command += [f"trainer.seed=range(0,{given.children})"]
            command += [f"sweep.parallel={given.workers}"]
            said = (folder / "said.txt").open("w+")
            process = subprocess.Popen(command, env=clean_environment(home), stdout=said)
            sizes = []
            while process.poll() is None:
                size = memory(process.pid)
                if size is not None:
                    sizes.append(size)
                time.sleep(1)
            if process.returncode:
                sys.exit(f"the sweep ended with {process.returncode}")
            report = json.loads(Path(said.name).read_text())
            pages = json.loads((home / "ui.json").read_text())
            (experiment,) = report["parents"]
            asked = {"experiment_ids": [experiment], "max_results": 100}
            store = [
                seconds_of(pages["mlflow"] + "/ajax-api/2.0/mlflow/runs/search", asked)
                for _ in range(5)
            ]
            flows = [
                seconds_of(pages["prefect"] + "/api/flow_runs/filter", {"limit": 200})
                for _ in range(5)
            ]
        os.sync()
    middle = len(sizes) // 2
    quarter = max(1, len(sizes) // 4)
    growth = median(sizes[-quarter:]) - median(sizes[quarter : middle + 1])
    rows = [
        Figure("children in the table", float(report["rows"][0]["seeds"]), float(given.children)),
        Figure("memory, last quarter − second quarter", growth, 30.0, "<=", " MiB"),
        Figure("memory at the end", sizes[-1], unit=" MiB"),
        Figure("MLflow's page asks for 100 runs", median(store), 2.0, "<=", " s"),
        Figure("Prefect's page asks for 200 flow runs", median(flows), 2.0, "<=", " s"),
    ]
    details = {"sizes": sizes, "mlflow": store, "prefect": flows}
    conclude(f"{given.children} tiny children", rows, details, given.out, before)


if __name__ == "__main__":
    main()

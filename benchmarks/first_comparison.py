"""A newcomer with README alone: from a clone to three cells compared, as MLflow's page has them.

The commands are the repository's `make setup` and README's block that begins with `seqline sweep`.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from measure import Figure, arguments, conclude, machine_state
from run_overhead import interface

ROOT = Path(__file__).parents[1]


def main():
    parser = arguments(__doc__, "first_comparison", overrides=False)
    given = parser.parse_args()
    before = machine_state()
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```sh\n(seqline sweep .*?)```", readme, re.DOTALL)
    commands = [line.split("#")[0].strip() for line in block.splitlines()]
    sweep = next(line for line in commands if line.startswith("seqline sweep"))
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        clone = Path(name) / "seqline"
        home = clone / ".seqline"
        started = time.perf_counter()
        script = f"git clone -q {ROOT} {clone} && cd {clone} && make setup && . .venv/bin/activate"
        environment = {k: v for k, v in os.environ.items() if k != "SEQLINE_HOME"}
        done = subprocess.run(
            ["bash", "-euc", f"{script} && {sweep} && seqline compare"],
            env=environment, capture_output=True, text=True,
        )  # fmt: skip
        if done.returncode:
            sys.exit(done.stderr)
        with interface(home):
            pages = json.loads((home / "ui.json").read_text())
            request = urllib.request.Request(
                pages["mlflow"] + "/ajax-api/2.0/mlflow/runs/search",
                data=json.dumps({"experiment_ids": ["1"]}).encode(),
                headers={"Content-Type": "application/json"},
            )
            with urllib.request.urlopen(request) as answer:
                runs = json.load(answer)["runs"]
            seconds = time.perf_counter() - started
    cells = {
        tag["value"]
        for run in runs
        for tag in run["data"]["tags"]
        if tag["key"] == "cell" and run["info"]["status"] == "FINISHED"
    }
    rows = [
        Figure("from a clone to three cells in MLflow", seconds / 60, 10.0, "<", " min"),
        Figure("cells compared", float(len(cells)), 3.0),
    ]
    conclude("A newcomer", rows, {"command": sweep, "said": done.stdout}, given.out, before)


if __name__ == "__main__":
    main()

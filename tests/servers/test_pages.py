"""MLflow's and Prefect's pages in a real browser: what is promised is on them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from chromium import Page, chromium
from mlflow.tracking import MlflowClient
from processes import SEQLINE, Served, environment

from seqline.tracking.store import runs_page

NAME = "sweep: experiment (demo, translation_demo, text_demo) × cell (rnn, gru)"
KEEP = "SEQLINE_SCREENSHOTS"
"""The variable that names a folder in which the screenshots are kept, to be looked at."""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with chromium(tmp_path_factory.mktemp("browser")) as page:
        yield page


def keep(page: Page, name: str) -> None:
    folder = os.environ.get(KEEP)
    if folder:
        page.picture(Path(folder) / f"{name}.png")


@pytest.mark.debian("chromium")
def test_a_runs_pages_show_its_figures_its_samples_and_its_stages(
    served: Served, finished: dict[str, Any], page: Page
) -> None:
    run = MlflowClient(tracking_uri=served.mlflow).get_run(finished["run_id"])
    text = page.open(
        f"{served.mlflow}/#/experiments/{run.info.experiment_id}/runs/{run.info.run_id}",
        run.info.run_name, "test/primary", "test/baseline", "pos_tagging files",
    )  # fmt: skip
    assert "Samples" in text and "accuracy" in text
    flow_run = run.data.tags["prefect.flow_run"]
    page.open(
        f"{served.prefect}/runs/flow-run/{flow_run}?tab=Task%20Runs",
        "pos_tagging: lstm many_to_many, seed 0",
    )
    page.run("[...document.querySelectorAll('li, button, a')]"
             ".find(e => e.innerText.trim() === 'Artifacts')?.click()")  # fmt: skip
    page.wait_for("result", "mlflow-run")
    left = httpx.post(
        f"{served.prefect}/api/artifacts/filter", json={"flow_runs": {"id": {"any_": [flow_run]}}}
    ).json()
    (progress,) = [one["data"] for one in left if one["key"] == "training"]
    assert progress == 100.0


@pytest.mark.slow
@pytest.mark.debian("chromium")
def test_a_sweep_over_three_tasks_in_both_pages(served: Served, page: Page, tmp_path: Path) -> None:
    experiments = "experiment=demo,translation_demo,text_demo"
    small = [
        "cell=rnn,gru", "trainer.max_steps=12", "trainer.validate_every=100", "trainer.members=1",
        "trainer.threads=1", "architecture.hidden_size=16", "trainer.average=null",
        "sweep.parallel=2", "decode.beam=1",
    ]  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", SEQLINE, "sweep", "--json", experiments, *small],
        cwd=tmp_path, env=environment(served.home), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert len(report["parents"]) == 3 and len(report["rows"]) == 6
    client = MlflowClient(tracking_uri=served.mlflow)
    children = []
    for experiment, parent in report["parents"].items():
        page.open(
            served.mlflow + runs_page(experiment, report["sweep"]),
            "Run Name", "sweep:", "test/primary", "test/baseline",
        )  # fmt: skip
        found = client.search_runs([experiment], f"tags.`mlflow.parentRunId` = '{parent}'")
        children.append(found[0])
        page.wait_for(*(one.info.run_name for one in found))  # each in a row of its own
        keep(page, f"mlflow-runs-{experiment}")
        page.open(
            f"{served.mlflow}/#/experiments/{experiment}/runs/{parent}",
            NAME, "Child runs", "baseline",
        )  # fmt: skip
    places = json.dumps(list(report["parents"]))
    page.open(
        f"{served.mlflow}/#/compare-experiments/s?experiments={places}",
        "Displaying Runs from 3 Experiments",
    )  # fmt: skip
    keep(page, "mlflow-experiments")
    ids = json.dumps([one.info.run_id for one in children])
    places = json.dumps([one.info.experiment_id for one in children])
    page.open(
        f"{served.mlflow}/#/compare-runs?runs={ids}&experiments={places}",
        "Comparing 3 Runs from 3 Experiments", "test/primary", "test/baseline",
        *(one.info.run_name for one in children),
    )  # fmt: skip
    keep(page, "mlflow-compare")
    child = children[0]
    page.open(
        f"{served.mlflow}/#/experiments/{child.info.experiment_id}/runs/{child.info.run_id}",
        "Samples", "Parent run", NAME,
    )  # fmt: skip
    keep(page, "mlflow-run")
    note = served.home / "sweeps" / report["sweep"] / "sweep.json"
    flow_run = json.loads(note.read_text())["record"]["attempts"][-1]["flow_run"]
    page.open(f"{served.prefect}/runs/flow-run/{flow_run}", NAME, "Completed")
    keep(page, "prefect-sweep")
    page.run("[...document.querySelectorAll('li, button, a')]"
             ".find(e => e.innerText.trim() === 'Artifacts')?.click()")  # fmt: skip
    page.wait_for("sweep-progress", "sweep-result", "mlflow-1", "mlflow-2", "mlflow-3")
    keep(page, "prefect-artifacts")

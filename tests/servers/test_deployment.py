"""The flow run from a real deployment by a real worker, as a schedule would."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from mlflow.tracking import MlflowClient
from processes import Served, environment


def ask(served: Served, what: str, **body: Any) -> Any:
    """Give Prefect's API something new; while its database is locked it answers 503: once more."""
    request = urllib.request.Request(
        f"{served.prefect}/api/{what}",
        data=json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    for wait in (0.5, 1, 2, 4):
        try:
            with urllib.request.urlopen(request) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            if error.code != 503:
                raise
            time.sleep(wait)
    pytest.fail(f"Prefect's API goes on to answer 503 to {what}")


@pytest.fixture(scope="module")
def deployed(
    served: Served,
    data: list[str],
    finished: dict[str, Any],
    tmp_path_factory: pytest.TempPathFactory,
) -> Any:
    """A flow run of a deployment, executed by a process worker, its data those of `finished`."""
    ask(served, "work_pools/", name="seqline", type="process")
    flow = ask(served, "flows/", name="seqline")
    deployment = ask(
        served,
        "deployments/",
        name="nightly",
        flow_id=flow["id"],
        entrypoint="seqline.flow.pipeline",
        work_pool_name="seqline",
        path=str(tmp_path_factory.mktemp("worker")),
        parameters={"cell": "lstm", "overrides": data},
    )
    made = ask(served, f"deployments/{deployment['id']}/create_flow_run")
    command = ["worker", "start", "--pool", "seqline", "--type", "process", "--run-once"]
    done = subprocess.run(
        [sys.executable, "-m", "prefect", *command],
        env=environment(served.home) | {"PREFECT_API_URL": f"{served.prefect}/api"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    with urllib.request.urlopen(f"{served.prefect}/api/flow_runs/{made['id']}") as answer:
        return json.load(answer) | {"said": done.stdout + done.stderr}


def test_it_completes_under_the_name_of_what_it_runs(deployed: dict[str, Any]) -> None:
    assert deployed["state_type"] == "COMPLETED", deployed["said"]
    assert deployed["name"] == "pos_tagging: lstm many_to_many, seed 0"


def test_it_reuses_the_stages_and_copies_the_history_into_a_run_of_its_own(
    served: Served, deployed: dict[str, Any], finished: dict[str, Any]
) -> None:
    client = MlflowClient(tracking_uri=f"sqlite:///{served.home / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("pos_tagging")
    where = f"tags.`prefect.flow_run` = '{deployed['id']}'"
    (run,) = client.search_runs([experiment.experiment_id], where)
    assert run.info.status == "FINISHED" and run.info.run_id != finished["run_id"]
    assert run.data.tags["train.reused"] == "true"
    assert Path(finished["folders"]["train"]).name.endswith(run.data.tags["train.digest"][:16])

    def history(run_id: str) -> list[tuple[int, int, float]]:
        points = client.get_metric_history(run_id, "train/loss")
        return [(point.step, point.timestamp, point.value) for point in points]

    assert history(run.info.run_id) == history(finished["run_id"]) != []

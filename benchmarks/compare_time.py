"""`seqline compare` over many runs, made through MLflow's client as the pipeline makes them."""

from __future__ import annotations

import csv
import io
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from measure import Figure, arguments, clean_environment, conclude, machine_state, median, seqline

CELLS = ("rnn", "lstm", "gru", "mgu", "sru")
TASKS = ("pos_tagging", "translation")


def make_runs(uri, count):
    """Log runs with as many parameters, figures and tags as the pipeline's have."""
    from mlflow.entities import Metric, Param, RunTag
    from mlflow.tracking import MlflowClient

    from seqline.config.compose import compose
    from seqline.tracking.run import flatten

    client = MlflowClient(tracking_uri=uri)
    experiments = {task: client.create_experiment(task) for task in TASKS}
    models = [(task, cell, size) for task in TASKS for cell in CELLS for size in range(20)]
    configs = {}
    for number in range(count):
        task, cell, size = models[number % len(models)]
        if (task, cell) not in configs:
            architecture = {"translation": "encoder_decoder"}.get(task, "many_to_many")
            asked = [f"task={task}", f"architecture={architecture}", f"cell={cell}"]
            configs[task, cell] = flatten(compose(asked))
        seed = number // len(models)
        own = {"trainer.seed": str(seed), "architecture.hidden_size": str(64 + size)}
        run = client.create_run(experiments[task], run_name=f"{cell}, seed {seed}")
        now = int(time.time() * 1000)
        figures = {
            "test/primary": 0.8 + (number * 37 % 100) / 1000,
            "test/baseline": 0.7,
            "model/parameters": 1e5,
            "throughput/tokens_per_second": 1e4,
            "train/minutes": 2.0,
            "train/loss": 0.3,
            "validation/loss": 0.4,
        }
        tags = {f"plugin.{n}": "seqline 0.1.0 " + "ab" * 32 for n in range(4)}
        tags |= {"primary_metric": "accuracy", "primary_direction": "higher"}
        tags |= {"data_digest": "cd" * 32, "mlflow.note.content": "sample\n" * 40}
        client.log_batch(
            run.info.run_id,
            metrics=[Metric(key, value, now, 0) for key, value in figures.items()],
            params=[Param(k, v) for k, v in {**configs[task, cell], **own}.items()],
            tags=[RunTag(key, value) for key, value in tags.items()],
        )
        client.set_terminated(run.info.run_id)
    return len(configs[task, cell]), len(models)


def main():
    parser = arguments(__doc__, "compare_time", overrides=False)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=5)
    given = parser.parse_args()
    before = machine_state()
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        uri = f"sqlite:///{home / 'mlflow.db'}"
        parameters, models = make_runs(uri, given.runs)
        seconds = []
        for _ in range(given.repeats):
            started = time.perf_counter()
            done = subprocess.run(
                [seqline(), "compare", "--csv", "-"],
                env=clean_environment(home), capture_output=True, text=True,
            )  # fmt: skip
            seconds.append(time.perf_counter() - started)
            if done.returncode:
                sys.exit(done.stderr)
    table = list(csv.DictReader(io.StringIO(done.stdout)))
    seeds = sum(int(row["seeds"]) for row in table)
    rows = [
        Figure(f"seqline compare, {given.runs} runs of {parameters} parameters, median",
               median(seconds), 5.0, "<=", " s"),
        Figure("runs in its table", float(seeds), float(given.runs)),
        Figure("models in its table", float(len(table)), float(min(models, given.runs))),
    ]  # fmt: skip
    conclude("Comparing", rows, {"seconds": seconds}, given.out, before)


if __name__ == "__main__":
    main()

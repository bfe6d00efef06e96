"""What it costs that nothing is lost: checkpoints, going on from one, the second identical run."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from measure import (
    Figure,
    arguments,
    conclude,
    data_overrides,
    machine_state,
    median,
    run_seqline,
)

from seqline import stages
from seqline.config.compose import compose
from seqline.home import Home
from seqline.model import build_model
from seqline.reporter import SilentReporter
from seqline.stages.train import make_accelerator, primary_metric, use_threads
from seqline.training.checkpoint import checkpoints
from seqline.training.loop import Training, Watchers
from seqline_plugins.build import build_task


def make_training(config, prepared, folder):
    """Return the training that the train stage would run."""
    task = build_task(config["task"])
    encoding = task.encoding.load(prepared.folder / "encoding")
    return Training(
        build_model(config, encoding),
        {name: task.split.load(prepared.folder / name) for name in ("train", "validation")},
        config["trainer"],
        metrics=lambda: task.scoring(task.config, encoding),
        primary=primary_metric(task, config),
        accelerator=make_accelerator(config["trainer"]),
        watchers=Watchers(SilentReporter(), folder),
    )


def time_checkpoints(overrides, folder):
    """Return the seconds of a save, of going on from it, its bytes and the minutes between."""
    config = compose(overrides)
    use_threads(config["trainer"])
    config["trainer"] |= {"max_steps": 20, "max_epochs": None}
    prepared = stages.prepare(config, stages.Workspace(Home(folder), SilentReporter()))
    training = make_training(config, prepared, folder / "kept")
    training.run()
    saves = []
    for _ in range(5):
        started = time.perf_counter()
        path = training.save()
        saves.append(time.perf_counter() - started)
    size = sum(file.stat().st_size for file in path.iterdir())
    again, resumes = make_training(config, prepared, folder / "kept"), []
    for _ in range(3):
        started = time.perf_counter()
        again.resume()
        resumes.append(time.perf_counter() - started)
    assert again.at.step == 20 and len(checkpoints(folder / "kept")) == 1
    started = time.perf_counter()
    again._update()
    step = time.perf_counter() - started
    return median(saves), median(resumes) + step, size, config["trainer"]["checkpoint_minutes"]


def main():
    parser = arguments(__doc__, "resume_cost")
    parser.add_argument("--data", type=Path, required=True, help="the parent of pos_tagging/")
    given = parser.parse_args()
    before = machine_state()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        overrides = [*data_overrides(given.data, "en_ewt"), *given.override]
        recipe = ["experiment=ewt_upos", *overrides]
        save, resume, size, minutes = time_checkpoints(recipe, folder / "stages")
        home, walls, reused = folder / "home", [], []
        for _ in range(3):
            report, seconds = run_seqline(home, [*overrides, "trainer.max_steps=20"])
            walls.append(seconds)
            reused.append(report["reused"])
    share = 100 * save / (60 * minutes)
    rows = [
        Figure(
            f"a checkpoint of {size / 1e6:.0f} MB, share of {minutes:g} minutes",
            share,
            1.0,
            "<=",
            " %",
        ),
        Figure("checkpoint to the first new step", resume, 3.0, "<=", " s"),
        Figure("the second identical run", min(walls[1:]), 12.0, "<=", " s"),
        Figure("stages computed in it", float(4 - len(reused[-1])), 0.0, "<="),
    ]
    details = {"save": save, "resume": resume, "bytes": size, "walls": walls, "reused": reused}
    conclude("What it costs that nothing is lost", rows, details, given.out, before)


if __name__ == "__main__":
    main()

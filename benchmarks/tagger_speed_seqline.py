"""seqline's side of tagger_speed.py: its own training and exported model, a turn at a time.

Driven by tagger_speed.py through its standard input and output.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

import torch
from measure import data_overrides, files_of, read_words
from safetensors.torch import save_file

from seqline import __version__, stages
from seqline.config.compose import compose
from seqline.exported import FORMAT, MARK, load_export
from seqline.home import Home
from seqline.model import build_model, served_kernels
from seqline.reporter import SilentReporter
from seqline.seal import seal
from seqline.stages.folder import write_json
from seqline.stages.train import make_accelerator, primary_metric, use_threads
from seqline.training.loop import Training, Watchers
from seqline_plugins.build import build_task

NETWORK = [
    "task=pos_tagging",
    "architecture=many_to_many",
    "cell=lstm",
    "data.column=upos",
    "task.words.size=128",
    "task.words.min_count=2",
    "task.words.dropout=0",
    "task.affixes.size=0",
    "task.shape.size=0",
    "architecture.hidden_size=256",
    "architecture.num_layers=1",
    "architecture.bidirectional=true",
    "architecture.input_dropout=0.5",
    "architecture.output_dropout=0.5",
    "architecture.variational=true",
    "trainer.optimizer=adam",
    "trainer.lr=0.001",
    "trainer.clip_norm=5",
    "trainer.batch_size=32",
    "trainer.device=cpu",
    "trainer.seed=1",
]
CHARACTERS = [
    "task.characters.size=25",
    "task.characters.hidden_size=25",
    "task.characters.max_length=1000",
]
NO_CHARACTERS = ["task.characters.hidden_size=0"]


def make_training(config, prepared, home):
    """Return the training that the train stage would run."""
    task = build_task(config["task"])
    encoding = task.encoding.load(prepared.folder / "encoding")
    splits = {name: task.split.load(prepared.folder / name) for name in ("train", "validation")}
    accelerator = make_accelerator(config["trainer"])
    return Training(
        build_model(config, encoding),
        splits,
        config["trainer"],
        metrics=lambda: task.scoring(task.config, encoding),
        primary=primary_metric(task, config),
        accelerator=accelerator,
        watchers=Watchers(SilentReporter(), home.checkpoints),
    )


def train_epoch(training):
    """Train one epoch more; return its seconds, validation not counted."""
    training.trainer["max_epochs"] = training.at.epoch + 1
    training.at.finished = False
    validating = training.at.seconds - training.at.busy_seconds
    started = time.perf_counter()
    training.run()
    seconds = time.perf_counter() - started
    return seconds - (training.at.seconds - training.at.busy_seconds - validating)


def export(training, config, prepared, folder):
    """Write what the export stage writes and a predictor reads; load it."""
    folder.mkdir()
    shutil.copytree(prepared.folder / "encoding", folder / "encoding")
    save_file(training.best, folder / "weights.safetensors")
    write_json(folder / "config.json", config)
    write_json(folder / MARK, {"format": FORMAT, "seqline": __version__})
    seal(folder)
    return load_export(folder)


def predict(predictor, sentences):
    """Tag the test set, from words in memory to tags."""
    words = [[word for word, _ in sentence] for sentence in sentences]
    started = time.perf_counter()
    examples = [{"words": row, "tags": [None] * len(row), "lines": None} for row in words]
    tags = predictor.predict(examples)
    seconds = time.perf_counter() - started
    gold = [tag for sentence in sentences for _, tag in sentence]
    answered = [tag for row in tags for tag in row]
    right = sum(a == b for a, b in zip(answered, gold, strict=True))
    return {"seconds": seconds, "accuracy": right / len(gold)}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--characters", action="store_true")
    given = parser.parse_args()
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def answer(value):
        print(json.dumps(value), file=answers, flush=True)

    with tempfile.TemporaryDirectory() as name:
        home = Home(Path(name))
        ends = CHARACTERS if given.characters else NO_CHARACTERS
        threads = f"trainer.threads={given.threads}"
        config = compose([*data_overrides(given.data, "en_ewt"), *NETWORK, *ends, threads])
        use_threads(config["trainer"])
        prepared = stages.prepare(config, stages.Workspace(home, SilentReporter()))
        training = make_training(config, prepared, home)
        test = list(read_words(files_of(given.data, "en_ewt")["test"]))
        summary = json.loads((prepared.folder / "summary.json").read_text(encoding="utf-8"))
        answer(
            {
                "words": {key: size["tokens"] for key, size in summary["splits"].items()},
                "parameters": sum(p.numel() for p in training.model.parameters()),
                "seqline": __version__,
                "torch": torch.__version__,
            }
        )
        predictor = None
        for line in sys.stdin:
            if line.strip() == "train":
                answer({"seconds": train_epoch(training)})
            elif line.strip() == "finish":
                predictor = export(training, config, prepared, home.path / "export")
                answer({"kernels": served_kernels(predictor.model)})
            else:
                answer(predict(predictor, test))


if __name__ == "__main__":
    main()

"""Train: build the model, train it, keep the weights that scored best on validation."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from seqline.config.nested import cell_choices
from seqline.decoding import GREEDY
from seqline.model import build_model, served_kernels
from seqline.provenance import source_hash
from seqline.stages.folder import StageResult, Workspace, make_stage, write_json
from seqline.stages.prepare import raw_examples
from seqline.summary import render, summarize
from seqline.training.inference import Search
from seqline.training.loop import Training, Watchers
from seqline.training.memory import keep_few_products
from seqline.training.serving import kernels_of
from seqline.training.showing import Show
from seqline_plugins.build import build_task
from seqline_plugins.discovery import load
from seqline_plugins.task.metrics import Metric
from seqline_plugins.task.task import Task

CHANGES_NOTHING = ("checkpoint_minutes", "spare_memory")
"""Keys of the section `trainer` that do not change the result."""
_threads_of_before: ContextVar[int | None] = ContextVar("seqline_threads", default=None)


def train(
    config: Mapping[str, Any],
    workspace: Workspace,
    prepared: StageResult,
    watchers: Watchers,
) -> StageResult:
    """Make the folder of a trained model: weights, history, `summary.json`.

    A training goes on from the newest intact checkpoint in the watchers' folder, which is removed
    when the training is done.
    """
    trainer = config["trainer"]
    use_threads(trainer)
    task = build_task(config["task"])
    ingredients = {
        "prepared": prepared.digest,
        "trainer": {key: value for key, value in trainer.items() if key not in CHANGES_NOTHING},
        **{key: config[key] for key in ("task", "architecture", "cell", "loss", "metrics")},
        "source_code": [source_hash(part) for part in trained_parts(config)],
        "machine": machine(trainer),
    }

    def make(folder: Path) -> None:
        encoding = task.encoding.load(prepared.folder / "encoding")
        splits = {name: task.split.load(prepared.folder / name) for name in ("train", "validation")}
        accelerator = make_accelerator(trainer)
        model = build_model(config, encoding)
        text = render(summarize(model))
        (folder / "model.txt").write_text(text, encoding="utf-8")
        workspace.reporter.say(text.rstrip())
        primary = primary_metric(task, config)
        examples = raw_examples(prepared.folder, "validation")
        quickly = {**GREEDY, "precision": str(trainer["precision"])}
        search = Search(quickly, encoding.search_tokens) if task.decodes else None
        parts = (task, encoding, splits["validation"], examples)
        training = Training(
            model,
            splits,
            trainer,
            metrics=lambda: task.scoring(task.config, encoding),
            primary=primary,
            accelerator=accelerator,
            watchers=watchers,
            validation=examples,
            loss=config["loss"],
            search=search,
            show=Show(*parts, search) if search is not None else None,
        )
        training.resume()
        at = training.run()
        early = at.ended_early(config["trainer"], len(training.batches))
        if early:
            watchers.reporter.say(early)
        save_file(training.best, folder / "weights.safetensors")
        if watchers.shown.is_dir():
            shutil.copytree(watchers.shown, folder / "validations")
        with (folder / "history.jsonl").open("w", encoding="utf-8") as stream:
            stream.writelines(json.dumps(asdict(point)) + "\n" for point in at.history)
        summary = {
            "parameters": sum(tensor.numel() for tensor in model.parameters()),
            "kernels": served_kernels(model),
            "tokens_per_second": at.tokens / max(1e-9, at.busy_seconds),
            "minutes": at.seconds / 60,
            "updates": at.step,
            "epochs": at.epochs(len(training.batches)),
            "primary": primary.name,
            "direction": primary.direction,
            "best_score": at.best_score,
            "best_step": at.best_step,
            "best_epoch": at.best_epoch,
            "best_is_average": at.best_is_average,
            "device": str(accelerator.device),
            "pieces": at.pieces,
            "other_kernels": at.other_kernels,
            "layers": kernels_of(model),
        }
        write_json(folder / "summary.json", summary)

    result = make_stage("train", ingredients, make, workspace)
    shutil.rmtree(watchers.checkpoints, ignore_errors=True)
    return result


def primary_metric(task: Task, config: Mapping[str, Any]) -> Metric:
    """Return the metric that chooses the best model: the one asked for, or the task's own."""
    name = config["metrics"]["primary"] or task.primary
    return next(metric for metric in task.metrics if metric.name == name)


def trained_parts(config: Mapping[str, Any]) -> list[type]:
    """Return the classes whose source determines the trained weights."""
    task = build_task(config["task"])
    parts: list[type] = [
        task.inputs,
        task.head,
        load("architecture", config["architecture"]["name"]),
    ]
    names = sorted({choice["name"] for choice in cell_choices(config)})
    return [*parts, *(load("cell", name) for name in names), Training]


def use_threads(trainer: Mapping[str, Any]) -> None:
    """Let torch use the threads asked for, or all processors this process may use.

    A run that is continued keeps the number it had, see `threads_of_before`. Numbers below 1e-38
    become zero: an optimizer's averages of the rows of rare words decay to them, and processors
    are a hundred times slower on such numbers. Threads inherit this, so it is set before torch
    makes any.
    """
    torch.set_flush_denormal(True)
    own = _threads_of_before.get() or len(os.sched_getaffinity(0))
    torch.set_num_threads(trainer["threads"] or own)


@contextlib.contextmanager
def threads_of_before(count: int | None) -> Iterator[None]:
    """Let a continued run have as many threads as it had, on whatever machine it is now."""
    token = _threads_of_before.set(count)
    try:
        yield
    finally:
        _threads_of_before.reset(token)


def machine(trainer: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of the machine changes the result's bits."""
    return {
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "device": trainer["device"],
        "cuda": torch.cuda.is_available() and trainer["device"] != "cpu",
    }


def make_accelerator(trainer: Mapping[str, Any]) -> Any:
    """Return accelerate's device and precision for this run, every seed set."""
    from accelerate import Accelerator
    from accelerate.utils import set_seed

    device = trainer["device"]
    if device not in ("auto", "cpu"):
        os.environ["ACCELERATE_TORCH_DEVICE"] = device
    if trainer["spare_memory"]:
        keep_few_products()
    set_seed(trainer["seed"])
    mixed = "bf16" if str(trainer["precision"]) == "bf16" else "no"
    return Accelerator(cpu=device == "cpu", mixed_precision=mixed)

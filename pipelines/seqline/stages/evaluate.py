"""Evaluate: the best weights on the test split, beside the baseline."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import load_file

from seqline.generation import sequences
from seqline.model import build_model
from seqline.provenance import source_hash
from seqline.stages.folder import StageResult, Workspace, make_stage, read_json, write_json
from seqline.stages.prepare import raw_examples
from seqline.stages.train import machine, make_accelerator, primary_metric, use_threads
from seqline.training.inference import Search, add_answers, answers
from seqline.training.serving import keep_to
from seqline.training.showing import Show
from seqline_plugins.build import build_task

SHOWN = 6
"""Test examples whose attention is drawn."""


def evaluate(
    config: Mapping[str, Any],
    workspace: Workspace,
    prepared: StageResult,
    trained: StageResult,
) -> StageResult:
    """Make the folder of results: `metrics.json`, samples, pictures, tables, predictions."""
    use_threads(config["trainer"])
    task = build_task(config["task"])
    parts = [task.scoring, type(task), Search]
    parts += [task.generation] if task.generation is not None else []
    ingredients = {
        "trained": trained.digest,
        "source_code": [source_hash(part) for part in parts],
        "machine": machine(config["trainer"]),
        **({"decode": config["decode"]} if len(parts) > 3 or task.decodes else {}),
    }

    def make(folder: Path) -> None:
        encoding = task.encoding.load(prepared.folder / "encoding")
        split = task.split.load(prepared.folder / "test")
        model = build_model(config, encoding)
        model.load_state_dict(load_file(trained.folder / "weights.safetensors"))
        keep_to(model, read_json(trained.folder / "summary.json").get("layers", {}))
        device = make_accelerator(config["trainer"]).device
        model.to(device)
        metrics = task.scoring(task.config, encoding)
        examples = raw_examples(prepared.folder, "test")
        running = split.streams(1) is not None  # what is said of it is as long as itself: not kept
        said: list[list[Any]] = [[] for _ in examples]
        search = Search(config["decode"], encoding.search_tokens) if task.decodes else None
        for found in answers(model, split, device, search, with_loss=True):
            add_answers(metrics, found, () if running else examples)
            if running:
                continue
            own = [examples[row] for row in found.rows]
            decoded = task.answer(encoding, found.predicted, found.batch, own)
            for row, answer in zip(found.rows, decoded, strict=True):
                said[row] = answer
        primary = primary_metric(task, config)
        summary = read_json(prepared.folder / "summary.json")
        figures = metrics.compute()
        (folder / "pictures").mkdir()
        metrics.pictures(folder / "pictures")
        if task.generation is not None:
            generation = task.generation(task.config, encoding)
            given = (model, generation, generation.opening(None), config["decode"])
            made = sequences(*given, generation.count)
            figures |= generation.figures(made)
            generation.pictures(made, folder / "pictures")
            if running:
                said = [[generation.text(one)] for one in made]
        results = {
            "primary": primary.name,
            "direction": primary.direction,
            "metrics": figures,
            "signatures": metrics.signatures(),
            "baseline": summary["baseline"],
            "warnings": summary["warnings"],
        }
        write_json(folder / "metrics.json", results)
        samples = task.samples(examples, said)
        write_json(folder / "samples.json", samples)
        (folder / "samples.md").write_text("\n\n".join(samples) + "\n", encoding="utf-8")
        if search is not None:
            show = Show(task, encoding, split, examples, search)
            show(model, folder / "pictures" / "samples", count=SHOWN)
        (folder / "tables").mkdir()
        for name, rows_of_table in metrics.tables().items():
            write_json(folder / "tables" / f"{name}.json", rows_of_table)
        with (folder / "predictions.jsonl").open("w", encoding="utf-8") as stream:
            stream.writelines(json.dumps(answer, ensure_ascii=False) + "\n" for answer in said)

    return make_stage("evaluate", ingredients, make, workspace)

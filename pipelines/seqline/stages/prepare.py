"""Prepare: read the source, build the vocabularies, write the splits in numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from seqline.data import data_fingerprint
from seqline.digest import digest_of
from seqline.provenance import source_hash
from seqline.stages.folder import (
    StageResult,
    Workspace,
    make_stage,
    read_json,
    write_json,
)
from seqline_plugins.build import build_task
from seqline_plugins.options import build_config
from seqline_plugins.task.source import DataSource, Example

SCORED = ("validation", "test")
"""Splits whose raw examples are kept, for samples and stored predictions; of running text one."""


def prepare(config: Mapping[str, Any], workspace: Workspace) -> StageResult:
    """Make the folder of prepared data: vocabularies, splits, baselines, `summary.json`."""
    task = build_task(config["task"])
    data: DataSource = build_config(DataSource, config["data"], "data")
    source = task.source(task.config)
    fingerprint = data_fingerprint(config)
    ingredients = {
        "task": config["task"],
        "data": fingerprint,
        "source_code": [source_hash(part) for part in (task.source, task.encoding, task.split)],
    }

    def make(folder: Path) -> None:
        splits = dict(source.read(data))
        encoding = task.encoding.build(splits["train"], task.config)
        said: list[str] = []
        (folder / "encoding").mkdir()
        encoding.save(folder / "encoding")
        sizes = {}
        for name, examples in splits.items():
            encoded, more = encoding.store(examples, folder / name, training=name == "train")
            said += more
            sizes[name] = {"examples": len(encoded.lengths), "tokens": encoded.tokens}
            if name in SCORED:
                running = encoded.streams(1) is not None
                write_json(folder / f"{name}.json", list(examples[:1] if running else examples))
        summary = {
            "source": config["data"]["source"],
            "digest": digest_of(fingerprint),
            "splits": sizes,
            "sizes": encoding.describe(),
            "baseline": source.baseline(splits),
            "warnings": [*said, *source.warnings(splits)],
        }
        write_json(folder / "summary.json", summary)

    result = make_stage("prepare", ingredients, make, workspace)
    for warning in read_json(result.folder / "summary.json")["warnings"]:
        workspace.reporter.warn(warning)
    return result


def raw_examples(prepared: Path, split: str) -> Sequence[Example]:
    """Return the raw examples of a split that is scored."""
    examples: list[Example] = read_json(prepared / f"{split}.json")
    return examples


def first_example(config: Mapping[str, Any], prepared: StageResult) -> str:
    """Return a test example as the plain text that `seqline predict` reads."""
    return build_task(config["task"]).text_of(raw_examples(prepared.folder, "test")[0])

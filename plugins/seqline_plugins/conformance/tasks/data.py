"""Checks of a task's parts and of its data: read, told apart, stored, written as text."""

from __future__ import annotations

import dataclasses
import json
import math
import tempfile
from pathlib import Path
from typing import Any

import torch

from seqline_plugins.architecture import Kind
from seqline_plugins.conformance.subject import TaskSubject, apart
from seqline_plugins.conformance.tasks.material import material
from seqline_plugins.conformance.verdict import Checks, NotApplicableError, WrongError
from seqline_plugins.errors import UserError
from seqline_plugins.task.encoding import Encoding
from seqline_plugins.task.head import Head
from seqline_plugins.task.inputs import Inputs
from seqline_plugins.task.source import DataSource, Example

CHECKS = Checks()
PARTS = ("train", "validation", "test")
SHARED = 0.1
"""Share of the test's longer examples that may be in the training data too."""


@CHECKS.add
def parts_are_declared(task: TaskSubject) -> None:
    """Kinds, metrics, the primary one and the six parts are there, of their types."""
    plugin = task.plugin
    wanted: dict[str, type] = {"inputs": Inputs, "head": Head, "encoding": Encoding}
    for name in ("kinds", "metrics", "primary", "source", "split", "scoring", *wanted):
        if not hasattr(plugin, name):
            raise WrongError(f"class {plugin.__name__} names no {name}.")
    for name, contract in wanted.items():
        if not issubclass(getattr(plugin, name), contract):
            raise WrongError(f"its {name} is no subclass of {contract.__name__}.")
    if not plugin.kinds or not all(isinstance(kind, Kind) for kind in plugin.kinds):
        raise WrongError("kinds must be a tuple of Kind(input, output), one at least.")
    names = [metric.name for metric in plugin.metrics]
    if plugin.primary not in names or len(set(names)) < len(names):
        raise WrongError(
            f"primary is '{plugin.primary}', expected one of its metrics, each named once: "
            f"{', '.join(names)}."
        )


@CHECKS.add
def builtin_data_are_there(task: TaskSubject) -> None:
    """`data=builtin` gives three splits, none of them empty, the same each time."""
    found = material(task)
    splits = found.splits
    for name in PARTS:
        if name not in splits or not len(splits[name]):
            raise WrongError(f"data=builtin gives no examples of the split '{name}'.")
    again = found.task.source(found.config).read(DataSource())
    for name in PARTS:
        rows = min(50, len(splits[name]))
        if list(again[name][:rows]) != list(splits[name][:rows]):
            raise WrongError(
                f"read twice, '{name}' differs: draw from data.seed alone, sort what has no order."
            )


@CHECKS.add
def fingerprint_tells_the_data(task: TaskSubject) -> None:
    """The fingerprint is plain values, the same for the same data and another for others."""
    source = material(task).source
    first, second = source.fingerprint(DataSource()), source.fingerprint(DataSource())
    if first != second:
        raise WrongError("asked twice, the fingerprint differs: nothing would ever be reused.")
    try:
        json.dumps(first)
    except TypeError as error:
        raise WrongError(f"the fingerprint must be plain JSON values ({error}).") from error
    try:
        others = source.read(DataSource(seed=1))
    except UserError:
        return
    rows = min(50, len(others["train"]))
    moved = list(others["train"][:rows]) != list(material(task).splits["train"][:rows])
    if moved and source.fingerprint(DataSource(seed=1)) == first:
        raise WrongError(
            "data.seed changes the data but not the fingerprint, so that old data would be "
            "reused: return data.seed in it."
        )


@CHECKS.add
def splits_are_disjoint(task: TaskSubject) -> None:
    """Hardly a longer test or validation example stands in the training data too."""
    found = material(task)
    train = {_written(one) for one in found.splits["train"]}
    for name in ("validation", "test"):
        texts = sorted({_written(one) for one in found.splits[name]}, key=len)
        longer = texts[len(texts) // 2 :]
        shared = sum(text in train for text in longer) / len(longer)
        if shared > SHARED and not found.source.warnings(found.splits):
            raise WrongError(
                f"{shared:.0%} of the longer {name} examples are in the training data too: deal "
                "the examples before anything is drawn twice, or say so in Source.warnings."
            )


@CHECKS.add
def baseline_is_there(task: TaskSubject) -> None:
    """A trivial baseline stands beside the primary metric; others may, under names of their own."""
    found = material(task)
    baseline = found.source.baseline(found.splits)
    primary = found.primary
    if primary.name not in baseline:
        raise WrongError(
            f"baseline() gives no '{primary.name}' ({', '.join(baseline) or 'nothing'}): say what "
            "a guess without learning scores on the test split, the most frequent answer for one."
        )
    bad = sorted(name for name, value in baseline.items() if not math.isfinite(value))
    if bad:
        raise WrongError(f"baseline() gives no finite number as '{bad[0]}'.")


@CHECKS.add
def encoding_survives_storing(task: TaskSubject) -> None:
    """Encoding and split give the same batches after `save` and `load`."""
    found = material(task)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "encoding").mkdir()
        (folder / "split").mkdir()
        found.encoding.save(folder / "encoding")
        found.split.save(folder / "split")
        loaded = found.task.encoding.load(folder / "encoding")
        kept = found.task.split.load(folder / "split")
        for what, split in (("encoding", loaded.encode(found.examples)), ("split", kept)):
            again = found.read(split, found.rows)
            for key, tensor in found.batch.items():
                if key not in again or not torch.equal(again[key], tensor):
                    raise WrongError(
                        f"after save and load the {what} gives another '{key}': store all that "
                        "encode and batch read."
                    )


@CHECKS.add
def encoding_is_reversible(task: TaskSubject) -> None:
    """An example written as text and read again is the same in numbers, where text is read."""
    found = material(task)
    if found.running:
        raise NotApplicableError("its rows are cut from running text")
    try:
        lines = [found.task.text_of(example) for example in found.examples]
        parsed = list(found.task.parse(lines, "check"))
    except (UserError, NotImplementedError) as error:
        raise NotApplicableError(f"it reads no text ({error})") from error
    if len(parsed) != len(lines):
        raise WrongError(f"parse reads {len(parsed)} examples from {len(lines)} lines of text_of.")
    batch = found.read(found.encoding.encode(parsed), range(len(parsed)))
    with torch.no_grad():
        wanted, lengths = found.inputs(found.batch)
        features, steps = found.inputs(batch)
    if not torch.equal(lengths, steps) or apart(features, wanted) > 1e-5:
        raise WrongError(
            "parse(text_of(example)) gives other features than the example: write in text_of all "
            "that the inputs read, and read it back in parse."
        )


def _written(example: Example) -> str:
    return json.dumps(example, sort_keys=True, default=_plain)


def _plain(value: Any) -> Any:
    return dataclasses.asdict(value) if dataclasses.is_dataclass(value) else str(value)  # type: ignore[arg-type]

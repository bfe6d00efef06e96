"""Adding, copy memory and sequential digits are what their papers define."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from seqline_plugins.errors import UserError
from seqline_plugins.options import build_config
from seqline_plugins.task.source import DataSource
from seqline_tasks.adding import Adding
from seqline_tasks.copy_memory import CopyMemory
from seqline_tasks.sequential_digits import SequentialDigits


def made(task: Any, **options: Any) -> tuple[Any, dict[str, Any]]:
    one = task(build_config(task.Config, options, "task"))
    return one, one.source(one.config).read(DataSource())


def test_adding_marks_a_number_in_each_half_and_asks_for_the_sum() -> None:
    task, splits = made(Adding, length=21, train=200, others=50)
    assert {name: len(rows) for name, rows in splits.items()} == {
        "train": 200,
        "validation": 50,
        "test": 50,
    }
    split = task.encoding.build(splits["train"], task.config).encode(splits["train"])
    batch = split.batch(range(200))
    features, lengths = task.inputs(task.config, None)(batch)
    assert features.shape == (200, 21, 2) and bool((lengths == 21).all())
    numbers, marks = features.unbind(-1)
    assert 0 <= float(numbers.min()) < 0.02 and 0.98 < float(numbers.max()) < 1
    assert bool((marks.sum(dim=1) == 2).all()) and bool((marks[:, :10].sum(dim=1) == 1).all())
    torch.testing.assert_close((numbers * marks).sum(dim=1), batch["target"])


def test_always_answering_one_is_off_by_a_sixth() -> None:
    task, splits = made(Adding, length=50, others=4000)
    figures = task.source(task.config).baseline(splits)
    assert figures["mse"] == pytest.approx(1 / 6, abs=0.01)


def test_copying_is_ten_symbols_a_wait_and_the_marks() -> None:
    task, splits = made(CopyMemory, length=30, train=5, others=2)
    split = task.encoding().encode(splits["train"])
    batch = split.batch([0, 1])
    T = 30
    assert batch["symbols"].shape == batch["target"].shape == (2, T + 20)
    for read, wanted in zip(batch["symbols"].tolist(), batch["target"].tolist(), strict=True):
        assert all(1 <= symbol <= 8 for symbol in read[:10])
        assert read[10:] == [0] * (T - 1) + [9] * 11
        assert wanted == [0] * (T + 10) + read[:10]


def test_without_memory_copying_costs_what_the_paper_says() -> None:
    task, splits = made(CopyMemory, length=1000, train=2, others=1)
    wanted = 10 * math.log(8) / 1020
    assert task.source(task.config).baseline(splits)["loss"] == pytest.approx(wanted)
    head = task.head(task.config, task.encoding(), 3, {})
    with torch.no_grad():
        head.softmax.scores.weight.zero_()
        head.softmax.scores.bias.fill_(-50.0)
        head.softmax.scores.bias[0] = 50.0
    batch = task.encoding().encode(splits["test"][:1]).batch([0])
    hidden = torch.zeros(1, 1020, 3)
    summed, count = head.loss(hidden[:, :1010], {"target": batch["target"][:, :1010]})
    assert float(summed) < 1e-6 and int(count) == 1010


def test_drawn_examples_are_the_same_for_the_same_seed_and_differ_between_splits() -> None:
    task = Adding(build_config(Adding.Config, {"length": 5}, "task"))
    first, again, other = (
        task.source(task.config).read(DataSource(seed=seed)) for seed in (0, 0, 1)
    )
    assert first["train"][3] == again["train"][3] != other["train"][3]
    assert first["train"][3] != first["test"][3]
    assert first["train"][-1] == first["train"][len(first["train"]) - 1]
    with pytest.raises(IndexError):
        first["test"][1000]
    with pytest.raises(UserError, match="expected data=builtin"):
        task.source(task.config).read(DataSource(source="files", train="x"))


@pytest.mark.parametrize("task", [Adding, CopyMemory, SequentialDigits])
def test_an_example_as_text_is_read_as_itself(task: Any) -> None:
    one, splits = made(task)
    example = splits["test"][0]
    (read,) = one.parse([one.text_of(example)], "input")
    for key in read.keys() - {"label", "sum"}:
        np.testing.assert_allclose(read[key], example[key], rtol=1e-6)


@pytest.mark.parametrize(
    ("task", "line"),
    [(Adding, "0.1 0.2* 0.3"), (Adding, "a* b*"), (CopyMemory, "1 2 3"), (SequentialDigits, "1 2")],
)
def test_a_line_that_is_no_example_is_named(task: Any, line: str) -> None:
    with pytest.raises(UserError, match="input, line 2"):
        task().parse([task().text_of(made(task)[1]["test"][0]), line], "input")


def test_digits_are_scikit_learns_dealt_by_the_data_seed() -> None:
    from sklearn.datasets import load_digits

    task, splits = made(SequentialDigits)
    assert [len(splits[name]) for name in splits] == [1197, 300, 300]
    known = {image.astype(int).tobytes() for image in load_digits().data}
    rows = [row for part in splits.values() for row in part]
    assert {np.asarray(row["pixels"]).tobytes() for row in rows} == known
    _, shuffled = made(SequentialDigits, permuted=True)
    pairs = zip(splits["test"], shuffled["test"], strict=True)
    assert all(sorted(a["pixels"]) == sorted(b["pixels"]) for a, b in pairs)
    figures = task.source(task.config).baseline(splits)
    assert figures["accuracy"] < 0.15 < 0.9 < figures["accuracy of logistic regression"]


def test_what_was_remembered_is_drawn(tmp_path: Path) -> None:
    task, splits = made(CopyMemory, length=5, train=2, others=4)
    batch = task.encoding().encode(splits["test"]).batch(range(4))
    metrics = task.scoring(task.config, task.encoding())
    said = batch["target"].clone()
    said[:, -1] = 0
    metrics.update(said, batch)
    metrics.add_loss(5.0, 100)
    assert metrics.compute() == {"loss": 0.05, "copied": 0.9}
    assert metrics.pictures(tmp_path)[0].stat().st_size > 1000
    adding, rows = made(Adding, length=20, train=2, others=30)
    batch = adding.encoding().encode(rows["test"]).batch(range(30))
    scores = adding.scoring(adding.config, adding.encoding())
    scores.update(batch["target"] + 0.5, batch)
    assert scores.compute()["mse"] == pytest.approx(0.25)
    assert scores.pictures(tmp_path)[0].stat().st_size > 1000

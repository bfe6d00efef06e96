"""Rows that are written a part at a time read as those that are held."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from toy_translation import pairs

from seqline.config.compose import compose
from seqline_plugins.build import build_task
from seqline_plugins.errors import UserError
from seqline_tasks.data.ragged import Ragged
from seqline_tasks.data.stored import RowWriter, open_rows
from seqline_tasks.text_to_text import encoding as encoding_module


def test_parts_of_a_file_read_as_one(tmp_path: Path) -> None:
    rows = [list(range(n)) for n in (3, 0, 5, 1, 2, 0, 7)]
    with RowWriter(tmp_path, ["a", "b"]) as writer:
        for start, stop in ((0, 2), (2, 3), (3, 7)):
            writer.write({"a": rows[start:stop], "b": rows[start:stop][::-1]})
    stored, held = open_rows(tmp_path)["a"], Ragged.of(rows)
    assert len(open_rows(tmp_path)) == 2
    assert stored.lengths.tolist() == held.lengths.tolist()
    for chosen in ([6, 0, 2], [1, 5], [3], []):
        given = np.asarray(chosen, dtype=np.int64)
        assert np.array_equal(stored.padded(given, 9), held.padded(given, 9))


def store(tmp_path: Path, *overrides: str, count: int = 50) -> tuple[Any, Any, list[str]]:
    config = compose(["task=translation", "architecture=encoder_decoder", *overrides])
    task = build_task(config["task"])
    examples = [{"source": source, "target": target} for source, target in pairs(count)]
    encoding = task.encoding.build(examples, task.config)
    stored, said = encoding.store(iter(examples), tmp_path / "train", training=True)
    return encoding.encode(examples), stored, said


def test_pairs_are_stored_some_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoding_module, "AT_ONCE", 7)
    held, stored, said = store(tmp_path)
    assert not said
    rows = [49, 0, 13]
    for name, tensor in held.batch(rows).items():
        assert tensor.tolist() == stored.batch(rows)[name].tolist()
    assert np.asarray(stored.lengths).tolist() == np.asarray(held.lengths).tolist()


@pytest.mark.parametrize("way", ["leave_out", "cut"])
def test_pairs_that_are_too_long_are_counted(tmp_path: Path, way: str) -> None:
    options = ["task.max_length=7", f"task.too_long={way}", "task.subwords.kind=word"]
    _, stored, said = store(tmp_path, *options)
    assert max(stored.target.lengths) <= 7
    assert max(stored.source.lengths) <= 8
    assert any("left out" in one for one in said)
    assert any("are cut there" in one for one in said) == (way == "cut")


def test_pairs_that_are_too_long_are_refused_where_that_is_asked_for(tmp_path: Path) -> None:
    options = ["task.max_length=7", "task.too_long=refuse", "task.subwords.kind=word"]
    with pytest.raises(UserError, match=r"task.too_long=refuse: found .* expected 7"):
        store(tmp_path, *options)
    with pytest.raises(UserError, match=r"task.max_length: found 2, but all 50 training pairs"):
        store(tmp_path, "task.max_length=2", "task.subwords.kind=word")

"""Columns of numbers as a split: batches, padding, and the same after they were stored."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from seqline_plugins import Rows


def rows() -> Rows:
    columns = {
        "bits": [[0, 1, 1], [1], [0, 0]],
        "odd": [[0, 1, 0], [1], [0, 0]],
        "points": [[[0.5, 1.0]], [[1.5, 2.0], [3.0, 4.0]], [[0.0, 0.0]]],
        "label": [2, 0, 1],
    }
    return Rows(columns, fill={"odd": -100})


def test_a_batch_is_padded_to_its_longest_row() -> None:
    batch = rows().batch([1, 2])
    assert batch["lengths"].tolist() == [1, 2]
    assert batch["bits"].tolist() == [[1, 0], [0, 0]]
    assert batch["odd"].tolist() == [[1, -100], [0, 0]]
    assert batch["points"].tolist() == [[[1.5, 2.0], [3.0, 4.0]], [[0.0, 0.0], [0.0, 0.0]]]
    assert batch["label"].tolist() == [0, 1]
    assert batch["bits"].dtype == torch.int64 and batch["points"].dtype == torch.float32


def test_what_was_stored_gives_the_same_batches(tmp_path: Path) -> None:
    rows().save(tmp_path)
    loaded = Rows.load(tmp_path)
    assert list(loaded.lengths) == [3, 1, 2]
    for chosen in ([0], [2, 0, 1]):
        found, wanted = loaded.batch(chosen), rows().batch(chosen)
        assert found.keys() == wanted.keys()
        assert all(torch.equal(found[name], wanted[name]) for name in wanted)


def test_lengths_may_be_a_column_of_their_own() -> None:
    assert Rows({"lengths": [1, 1], "label": [0, 1]}).batch([1])["lengths"].tolist() == [1]


def test_columns_that_do_not_fit_each_other_are_named() -> None:
    with pytest.raises(ValueError, match="'a': 1, 'b': 2"):
        Rows({"a": [[1]], "b": [[1], [2]]})
    with pytest.raises(ValueError, match="none has steps"):
        Rows({"label": [0, 1]})

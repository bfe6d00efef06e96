"""Rows of different lengths in flat arrays, padded, and stored as Arrow."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqline_tasks.data.ragged import Ragged
from seqline_tasks.data.tables import load_table, save_table

lists = st.lists(st.lists(st.integers(-5, 2**31 - 1), max_size=6), min_size=1, max_size=12)


@given(lists, st.data())
@settings(deadline=None, max_examples=60)
def test_padding_is_what_a_plain_loop_gives(rows: list[list[int]], data: st.DataObject) -> None:
    ragged = Ragged.of(rows)
    assert ragged.rows() == rows
    assert ragged.lengths.tolist() == [len(row) for row in rows]
    chosen = data.draw(st.lists(st.integers(0, len(rows) - 1), min_size=1, max_size=9))
    width = max(len(rows[row]) for row in chosen)
    wanted = [rows[row] + [-1] * (width - len(rows[row])) for row in chosen]
    found = ragged.padded(np.asarray(chosen), fill=-1)
    assert found.shape == (len(chosen), width)
    assert found.tolist() == wanted


def test_no_rows_at_all() -> None:
    empty = Ragged.of([])
    assert empty.rows() == []
    assert empty.padded(np.asarray([], dtype=np.int64), fill=0).shape == (0, 0)


@pytest.mark.parametrize("rows", [[[1, 2], [], [3]], [[], []], [[7]]])
def test_a_table_reads_back_as_it_was_written(tmp_path: Path, rows: list[list[int]]) -> None:
    numbers = np.arange(len(rows))
    save_table({"rows": Ragged.of(rows), "number": numbers}, tmp_path / "table")
    found = load_table(tmp_path / "table")
    assert found["rows"].rows() == rows
    assert found["number"].tolist() == numbers.tolist()

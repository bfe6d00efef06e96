"""The log of figures: first one kept, torn lines cut, nothing lost by a kill."""

from __future__ import annotations

import math
from pathlib import Path

from seqline.runs.points import LoggedPoint, PointLog


def test_a_figure_has_one_value_a_step_the_first(tmp_path: Path) -> None:
    log = PointLog(tmp_path / "points.jsonl")
    log.add(1, 100, {"train/loss": 0.5})
    log.add(1, 200, {"train/loss": 0.7, "validation/loss": 0.9})
    expected = [
        LoggedPoint("train/loss", 0.5, 100, 1),
        LoggedPoint("validation/loss", 0.9, 200, 1),
    ]
    assert log.points == expected
    assert PointLog(tmp_path / "points.jsonl").points == expected
    assert log.time_of(1, ["train/loss"]) == 100
    assert log.time_of(2, ["train/loss"]) is None


def test_a_point_is_on_the_disk_when_it_is_taken(tmp_path: Path) -> None:
    log = PointLog(tmp_path / "points.jsonl")
    log.add(1, 100, {"a": math.nan, "b": math.inf})
    found = PointLog(tmp_path / "points.jsonl").points  # the first was never closed
    assert math.isnan(found[0].value) and found[1].value == math.inf


def test_a_line_torn_at_any_byte_is_cut_off_and_the_next_one_follows_whole(tmp_path: Path) -> None:
    path = tmp_path / "points.jsonl"
    log = PointLog(path)
    log.add(1, 100, {"loss": 0.5})
    first = path.stat().st_size
    log.add(2, 200, {"loss": 0.4})
    whole = path.read_bytes()
    for size in range(first, len(whole)):
        path.write_bytes(whole[:size])
        again = PointLog(path)
        assert [point.step for point in again.points] == [1]
        again.add(2, 300, {"loss": 0.4})
        again.close()
        assert [(p.step, p.timestamp_ms) for p in PointLog(path).points] == [(1, 100), (2, 300)]


def test_an_altered_line_loses_itself_alone(tmp_path: Path) -> None:
    path = tmp_path / "points.jsonl"
    log = PointLog(path)
    for step in (1, 2, 3):
        log.add(step, step, {"loss": 0.5})
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + b'{"step": 2, "timestamp\n' + lines[2])
    assert [point.step for point in PointLog(path).points] == [1, 3]

"""Drawings read and written: SVG, arrays of strokes; wrong files are named."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seqline_plugins.errors import UserError
from seqline_plugins.task.source import DataSource
from seqline_tasks.data.arrays import read_arrays, write_arrays
from seqline_tasks.drawing.config import Config
from seqline_tasks.drawing.encoding import DrawingEncoding
from seqline_tasks.drawing.sources import DrawingSource
from seqline_tasks.drawing.strokes import points_of, simplified, stroke_count, strokes_of
from seqline_tasks.drawing.svg import read_strokes, svg_of

SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 20 20">{}</svg>'
CONVERTER = Path(__file__).parents[2] / "benchmarks" / "convert_sketches.py"


def source(**options: Any) -> DrawingSource:
    return DrawingSource(Config(**options))


def files(**given: Any) -> DataSource:
    return DataSource(source="files", **given)


def put(path: Path, *paths: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(SVG.format("".join(f'<path d="{d}"/>' for d in paths)))
    return path


def test_strokes_and_offsets_lead_to_each_other() -> None:
    strokes = [np.array([[3.0, 4], [5, 4], [5, 8]]), np.array([[0.0, 0], [1, 1]])]
    points = points_of(strokes)
    assert points == [[2, 0, 0], [0, 4, 1], [-5, -8, 0], [1, 1, 1]]
    for found, wanted in zip(strokes_of(points), strokes, strict=True):
        np.testing.assert_allclose(found, wanted - [3, 4])
    assert stroke_count(points) == 2 == stroke_count([*points[:3], [1, 1, 0]])


def test_lines_of_a_path_are_its_strokes_and_the_longer_side_is_one(tmp_path: Path) -> None:
    path = put(tmp_path / "a.svg", "M2,2 L12,2 l0,5", "M3 3h4 M8,8v-4z")
    wanted = [[[2, 2], [12, 2], [12, 7]], [[3, 3], [7, 3]], [[8, 8], [8, 4], [8, 8]]]
    for found, stroke in zip(read_strokes(path, 0.01), wanted, strict=True):
        np.testing.assert_allclose(found, np.array(stroke) / 10)


@pytest.mark.parametrize(
    "curve",
    [
        "M0,0 C0,5.5228 4.4772,10 10,10",  # a quarter of a circle around (10, 0)
        "M0,0 A10,10 0 0 0 10,10",
    ],
)
def test_a_curve_is_left_by_no_more_than_the_tolerance(curve: str, tmp_path: Path) -> None:
    (stroke,) = read_strokes(put(tmp_path / "a.svg", curve), 0.01)
    assert 4 <= len(stroke) < 12
    np.testing.assert_allclose(stroke[[0, -1]], [[0, 0], [1, 1]], atol=1e-9)
    between = (stroke[1:] + stroke[:-1]) / 2
    for places in (stroke, between):
        assert np.abs(np.hypot(*(places - [1, 0]).T) - 1).max() < 0.013


def test_points_that_are_left_out_lie_near_the_line() -> None:
    draw = np.random.default_rng(0)
    line = draw.standard_normal((60, 2)).cumsum(0)
    kept = simplified(line, 1.0)
    assert 2 < len(kept) < 60
    for place in line:
        far = []
        for start, end in itertools.pairwise(kept):
            t = np.clip((place - start) @ (end - start) / ((end - start) @ (end - start)), 0, 1)
            far.append(np.hypot(*(place - start - t * (end - start))))
        assert min(far) <= 1.0 + 1e-9


def test_an_svg_that_is_written_is_read_again(tmp_path: Path) -> None:
    strokes = [np.array([[0.0, 0], [1, 0.25]]), np.array([[0.5, 0], [0.5, 0.5], [0.25, 0.5]])]
    path = tmp_path / "a.svg"
    path.write_text(svg_of(strokes))
    for found, wanted in zip(read_strokes(path, 1e-4), strokes, strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-6)
    assert 'viewBox="-0.06 -0.06 1.12 0.62"' in path.read_text()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (SVG.format(""), "found no paths"),
        (SVG.format('<path d="M1,1"/>'), "found no paths"),
        (SVG.format('<path d="M1,1 L1,1"/>'), "found no paths"),
        (SVG.format('<path d="M1,1 L2"/>'), "cannot be read as SVG"),
        ("not XML", "cannot be read as SVG"),
    ],
)
def test_an_svg_that_draws_nothing_is_named(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "a.svg"
    path.write_text(text)
    with pytest.raises(UserError, match=said) as raised:
        read_strokes(path, 0.01)
    assert str(path) in str(raised.value)


def test_drawings_have_their_strokes_or_their_folder_as_class(tmp_path: Path) -> None:
    for folder, strokes in (("cat", 1), ("dog", 2)):
        for number in range(3):
            lines = [f"M{n},0 L{n},{number + 1}" for n in range(strokes)]
            put(tmp_path / folder / f"{number}.svg", *lines)
    given = files(file=str(tmp_path / "*" / "*.svg"), split=[2, 2, 2])
    for label, wanted in (("strokes", ["1", "1"]), ("folder", ["cat"] * 2), ("none", ["", ""])):
        read = source(label=label).read(given)
        assert [one["label"] for one in read["train"]] == wanted


def sketches(*lengths: int) -> list[np.ndarray]:
    draw = np.random.default_rng(0)
    found = []
    for length in lengths:
        sketch = draw.integers(-50, 50, (length, 3)).astype(np.int16)
        sketch[:, 2] = draw.random(length) < 0.3
        sketch[-1, 2] = 1
        found.append(sketch)
    return found


def test_plain_arrays_of_strokes_are_read(tmp_path: Path) -> None:
    path, many = tmp_path / "s.npz", sketches(4, 7, 3)
    many[1][0] = 0  # the pen is there already
    write_arrays(path, {"train": many, "test": sketches(5)})
    read = source().read(files(file=str(path)))
    assert read["train"][0]["points"] == many[0].tolist()
    assert read["train"][1]["points"] == many[1][1:].tolist()
    assert read["train"][0]["label"] == str(int(many[0][:, 2].sum()))


def test_pickled_sketches_are_refused_and_the_converter_makes_plain_ones(tmp_path: Path) -> None:
    path, many = tmp_path / "s.npz", sketches(4, 7, 3)
    pickled = np.empty(3, dtype=object)
    pickled[:] = many
    np.savez(path, train=pickled, valid=pickled[:2], test=pickled[:1])
    with pytest.raises(UserError, match=r"pickled objects.*benchmarks/convert_sketches\.py"):
        source().read(files(file=str(path)))
    command = [sys.executable, str(CONVERTER), str(path), "--to", str(tmp_path / "plain")]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=os.environ)
    assert "train 3" in done.stdout
    read = read_arrays(tmp_path / "plain" / "s.npz", "")
    assert [len(read[name]) for name in ("train", "validation", "test")] == [3, 2, 1]
    for found, wanted in zip(read["train"], many, strict=True):
        assert np.array_equal(found, wanted)


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (np.zeros((4, 2)), r"expected numbers \(points, 3\)"),
        (np.array([[0, np.nan, 0.0]]), "NaN or infinity"),
        (np.array([[1, 1, 2]]), "neither 0"),
        (np.zeros((1, 3)), "no points"),
    ],
)
def test_arrays_that_are_no_strokes_are_named(array: np.ndarray, said: str, tmp_path: Path) -> None:
    path = tmp_path / "s.npz"
    np.savez(path, cats=array)
    with pytest.raises(UserError, match=said) as raised:
        source().read(files(file=str(path)))
    assert "cats, drawing 1" in str(raised.value)


def test_rare_numbers_of_strokes_are_merged_at_either_end() -> None:
    counts = {1: 2, 2: 3, 3: 9, 4: 8, 5: 1, 9: 2, 10: 1}
    examples = [
        {"points": [[1, 1, 1]], "label": str(n)}
        for n, count in counts.items()
        for _ in range(count)
    ]
    encoding = DrawingEncoding.build(examples, Config(min_count=4))
    assert encoding.labels == ["2", "3", "4", "5"]
    merged = {n: encoding.labels[encoding.class_of(str(n))] for n in (1, 2, 3, 5, 7, 10, 99)}
    assert merged == {1: "2", 2: "2", 3: "3", 5: "5", 7: "5", 10: "5", 99: "5"}


def test_rare_folders_are_one_class() -> None:
    examples = [{"points": [[1, 1, 1]], "label": label} for label in "aaaabbbbcde"]
    encoding = DrawingEncoding.build(examples, Config(label="folder", min_count=4))
    assert set(encoding.labels) == {"a", "b", "other"}
    assert encoding.labels[encoding.class_of("d")] == "other"
    assert encoding.labels[encoding.class_of("never seen")] == "other"

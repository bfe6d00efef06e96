"""Classification of rows of vectors: archives, arrays, CSV; in numbers, and back from a line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seqline_plugins.errors import UserError
from seqline_plugins.options import build_config
from seqline_plugins.task.source import DataSource
from seqline_tasks.classification import Classification
from seqline_tasks.data.archive import read_archive

HEAD = """# two dimensions, unequal lengths
@problemName Tilts
@univariate false
@classLabel true left right
@data
"""
CASES = "1,2,3:4,5,6:left\n7,8:9,10:right\n"


def task(**options: Any) -> Classification:
    return Classification(
        build_config(Classification.Config, {"read": "vectors"} | options, "task")
    )


def archive(folder: Path, text: str, name: str = "tilts.ts") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_an_archive_holds_a_list_of_values_for_each_dimension(tmp_path: Path) -> None:
    path = archive(tmp_path, HEAD + CASES)
    first, second = read_archive(path)
    assert first == {
        "frames": [[1, 4], [2, 5], [3, 6]],
        "label": "left",
        "place": f"{path}, line 6",
    }
    assert second["frames"] == [[7, 9], [8, 10]] and second["label"] == "right"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (HEAD + "1,2:3,4:lft\n", r"line 6: found 'lft' at the end.*Did you mean 'left'"),
        (HEAD + "1,2:3:left\n", r"line 6: found dimensions of 1 and of 2 steps"),
        (HEAD + CASES + "1,2:left\n", r"line 8: found 1 dimensions, expected 2"),
        (HEAD + "1,?:3,4:left\n", r"line 6: .*'\?', expected numbers"),
        (HEAD + "1,nan:3,4:left\n", r"line 6: found NaN or infinity"),
        (HEAD.replace("@univariate false", "@timeStamps true"), "line 3: series with times"),
        (HEAD.replace("@classLabel true left right\n", ""), "no class is named"),
        (HEAD, "found no case"),
    ],
)
def test_what_is_wrong_in_an_archive_is_named(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        read_archive(archive(tmp_path, text))


def test_each_number_of_a_vector_is_scaled_as_in_training(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    rows = [
        {"frames": (draw.normal(size=(n, 2)) * [1, 100] + [5, 0]).tolist(), "label": "ab"[n % 2],
         "place": f"row {n}"}
        for n in range(3, 9)
    ]  # fmt: skip
    one = task(longest=6)
    encoding = one.encoding.build(rows, one.config)
    encoding.save(tmp_path)
    encoding = one.encoding.load(tmp_path)
    split = encoding.encode(rows)
    assert list(split.lengths) == [3, 4, 5, 6, 6, 6]
    batch = split.batch(range(6))
    features, lengths = one.inputs(one.config, encoding)(batch)
    assert features.shape == (6, 6, 2) and lengths.tolist() == [3, 4, 5, 6, 6, 6]
    read = np.concatenate([row[:n] for row, n in zip(features.numpy(), lengths, strict=True)])
    np.testing.assert_allclose(read.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(read.std(axis=0), 1, atol=1e-5)
    assert batch["target"].tolist() == [1, 0, 1, 0, 1, 0]
    with pytest.raises(UserError, match=r"row 9: its vectors are of size 3, expected 2"):
        encoding.encode([{"frames": [[1, 2, 3]], "label": "a", "place": "row 9"}])
    with pytest.raises(UserError, match=r"Pictures are task=video"):
        encoding.encode([{"frames": [[[1, 2]]], "label": "a", "place": "row 9"}])


def test_vectors_are_read_from_an_archive_csv_and_arrays_alike(tmp_path: Path) -> None:
    cases = [("left", [[1.0, 2.0], [3.0, 4.0]]), ("right", [[5.0, 6.0], [7.0, 8.0]])] * 10
    lines = [
        ":".join(",".join(map(str, d)) for d in zip(*f, strict=True)) + f":{c}\n" for c, f in cases
    ]
    ts = archive(tmp_path, HEAD + "".join(lines))
    flat = "".join(f"{c}," + ",".join(str(v) for step in f for v in step) + "\n" for c, f in cases)
    csv = archive(tmp_path, flat, "tilts.csv")
    for number, (label, frames) in enumerate(cases):
        (tmp_path / "arrays" / label).mkdir(parents=True, exist_ok=True)
        np.save(tmp_path / "arrays" / label / f"{number:02d}.npy", np.asarray(frames))
    one = task(dimensions=2)
    read = [
        one.source(one.config).read(DataSource(source="files", file=str(path)))
        for path in (ts, csv, tmp_path / "arrays")
    ]
    seen = [
        {name: [(e["label"], e["frames"]) for e in rows] for name, rows in splits.items()}
        for splits in read
    ]
    assert seen[0] == seen[1] == seen[2]
    assert [len(rows) for rows in seen[0].values()] == [14, 2, 4]


def test_the_built_in_vectors_are_eight_rows_of_a_digit() -> None:
    one = task()
    splits = one.source(one.config).read(DataSource())
    assert np.shape(splits["test"][0]["frames"]) == (8, 8)
    baseline = one.source(one.config).baseline(splits)
    assert 0.05 < baseline["accuracy"] < 0.2 < baseline["accuracy of 5 nearest neighbours"]


def test_a_row_given_to_predict_is_read_as_it_is_written() -> None:
    one = task(dimensions=2)
    (row,) = one.parse(["0.5,1,2,3"], "input")
    assert row["frames"] == [[0.5, 1], [2, 3]] and one.text_of(row) == "0.5,1,2,3"
    assert one.parse([one.text_of(row)], "input")[0]["frames"] == row["frames"]

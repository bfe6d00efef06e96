"""Clips: read from folders, arrays and rows of points, dealt by class, seen by the network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from seqline_plugins.errors import UserError
from seqline_plugins.options import build_config
from seqline_plugins.task.source import DataSource
from seqline_tasks.data.clips import read_clips
from seqline_tasks.data.labels import deal_classes
from seqline_tasks.video import Video


def task(**options: Any) -> Video:
    return Video(build_config(Video.Config, options, "task"))


def frames(count: int, height: int = 6, width: int = 8, seed: int = 0) -> Any:
    return np.random.default_rng(seed).integers(0, 256, (count, height, width)).astype(np.uint8)


def write_frames(folder: Path, clip: Any) -> None:
    from PIL import Image

    folder.mkdir(parents=True)
    for number, frame in enumerate(clip):
        Image.fromarray(frame).save(folder / f"{number:03d}.png")


def test_a_clip_is_a_folder_of_frames_or_an_array_in_its_labels_folder(tmp_path: Path) -> None:
    write_frames(tmp_path / "wave" / "one", frames(3))
    (tmp_path / "nod").mkdir()
    np.save(tmp_path / "nod" / "b.npy", frames(4))
    np.save(tmp_path / "nod" / "c.npy", np.repeat(frames(2)[..., None], 3, -1))
    np.save(tmp_path / "nod" / "d.npy", frames(2) / 255)
    read = read_clips(tmp_path, 2, "task.coordinates")
    assert [(e["label"], len(e["frames"])) for e in read] == [
        ("nod", 4), ("nod", 2), ("nod", 2), ("wave", 3),
    ]  # fmt: skip
    np.testing.assert_array_equal(read[3]["frames"], frames(3))
    np.testing.assert_allclose(read[1]["frames"], frames(2), atol=1e-4)
    np.testing.assert_allclose(read[2]["frames"], frames(2), atol=1e-4)


def test_rows_of_points_have_a_label_first(tmp_path: Path) -> None:
    path = tmp_path / "points.csv"
    path.write_text("label,x,y,x,y\nup,0,1,2,3\ndown,4,5,6,7\n", encoding="utf-8")
    assert read_clips(path, 2, "task.coordinates")[1] == {
        "label": "down", "frames": [[4, 5], [6, 7]], "place": f"{path}, line 3",
    }  # fmt: skip
    with pytest.raises(UserError, match=r"line 2: found 4 numbers, expected 3 of each frame"):
        read_clips(path, 3, "task.coordinates")
    path.write_text("up,0,1\nup,0,nan\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"points.csv, line 2: found nan"):
        read_clips(path, 2, "task.coordinates")


def test_frames_of_different_sizes_are_named(tmp_path: Path) -> None:
    write_frames(tmp_path / "a" / "wave" / "one", frames(2))
    write_frames(tmp_path / "a" / "wave" / "two", frames(2, 5))
    with pytest.raises(UserError, match=r"two: its frames are 5 × 8, those of .*one 6 × 8"):
        read_clips(tmp_path / "a", 2, "task.coordinates")
    write_frames(tmp_path / "b" / "wave" / "one", [*frames(1), *frames(1, 6, 9)])
    with pytest.raises(UserError, match=r"001.png: its frame is 6 × 9, that of .*000.png 6 × 8"):
        read_clips(tmp_path / "b", 2, "task.coordinates")


def test_pickled_objects_are_refused_and_never_loaded(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> Any:
            return (Path.touch, (tmp_path / "sprung",))

    (tmp_path / "wave").mkdir()
    for name in ("a.npz", "b.npy"):
        path = tmp_path / "wave" / name
        trap = np.asarray([Trap()], dtype=object)
        np.savez(path, clips=trap) if name.endswith("z") else np.save(path, trap)
        with pytest.raises(UserError, match=r"holds pickled objects.*benchmarks/convert_sketches"):
            read_clips(tmp_path, 2, "task.coordinates")
        path.unlink()
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (np.zeros(3), "expected numbers"),
        (np.asarray([["a"]]), "expected numbers"),
        (np.full((2, 3, 3), np.inf), "none or infinite"),
    ],
)
def test_arrays_that_are_no_clip_are_named(tmp_path: Path, array: Any, said: str) -> None:
    (tmp_path / "wave").mkdir()
    np.save(tmp_path / "wave" / "a.npy", array)
    with pytest.raises(UserError, match=f"a.npy: .*{said}"):
        read_clips(tmp_path, 2, "task.coordinates")


def test_an_empty_folder_and_a_broken_picture_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="found no clips"):
        read_clips(tmp_path, 2, "task.coordinates")
    (tmp_path / "wave" / "one").mkdir(parents=True)
    (tmp_path / "wave" / "one" / "0.png").write_bytes(b"no picture")
    with pytest.raises(UserError, match=r"0.png: cannot be read as a picture"):
        read_clips(tmp_path, 2, "task.coordinates")


def test_each_class_is_dealt_by_itself_its_last_part_the_test() -> None:
    rows = [{"label": label, "n": n, "place": ""} for label in "ab" for n in range(10)]
    dealt = deal_classes(rows, [0.7, 0.1, 0.2], "order", 0)
    assert [(e["label"], e["n"]) for e in dealt["test"]] == [("a", 8), ("a", 9), ("b", 8), ("b", 9)]
    assert [e["n"] for e in dealt["validation"]] == [7, 7]
    rare = [*rows, {"label": "c", "n": 0, "place": "x.csv, line 21"}]
    with pytest.raises(UserError, match=r"x.csv, line 21: the class 'c' stands once"):
        deal_classes(rare, [0.7, 0.1, 0.2], "order", 0)


def test_without_validation_the_last_of_each_class_is_held_out(tmp_path: Path) -> None:
    for part, count in (("train", 10), ("test", 2)):
        for label in ("nod", "wave"):
            (tmp_path / part / label).mkdir(parents=True)
            for number in range(count):
                np.save(tmp_path / part / label / f"{number}.npy", frames(2))
    one = task()
    data = DataSource(source="files", train=str(tmp_path / "train"), test=str(tmp_path / "test"))
    splits = one.source(one.config).read(data)
    assert [e["label"] for e in splits["validation"]] == ["nod", "wave"]
    assert [Path(e["place"]).name for e in splits["validation"]] == ["9.npy", "9.npy"]
    assert [len(splits[name]) for name in splits] == [18, 2, 4]


def test_frames_go_through_one_convolution_each(tmp_path: Path) -> None:
    rows = [
        {"frames": frames(n, seed=n).tolist(), "label": "ab"[n % 2], "place": f"clip {n}"}
        for n in range(2, 6)
    ]
    one = task(convolution={"channels": 2, "size": 5})
    encoding = one.encoding.build(rows, one.config)
    encoding.save(tmp_path)
    encoding = one.encoding.load(tmp_path)
    inputs = one.inputs(one.config, encoding)
    together, lengths = inputs(encoding.encode(rows).batch(range(4)))
    assert together.shape == (4, 5, 5) and lengths.tolist() == [2, 3, 4, 5]
    alone, _ = inputs(encoding.encode(rows[1:2]).batch([0]))
    torch.testing.assert_close(together[1, :3], alone[0])
    with pytest.raises(UserError, match=r"clip 9: its frames are of size 4 × 4, expected 6 × 8"):
        encoding.encode([{"frames": np.zeros((2, 4, 4)).tolist(), "place": "clip 9"}])
    metrics = one.scoring(one.config, encoding)
    batch = encoding.encode(rows).batch(range(4))
    metrics.update(torch.tensor([0, 1, 1, 1]), batch, rows)
    assert metrics.compute()["accuracy"] == 0.75
    pictures = {path.name: path.stat().st_size for path in metrics.pictures(tmp_path)}
    assert pictures.keys() == {"confusion.png", "clips.png"} and min(pictures.values()) > 2000


def test_points_are_changed_in_training_only_and_keep_what_they_are(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    rows = [
        {"frames": random.normal(size=(7, 2)).tolist(), "label": "ab"[n % 2], "place": ""}
        for n in range(6)
    ]
    one = task(augment={"turn": 90, "shift": 1}, moves=False)
    encoding = one.encoding.build(rows, one.config)
    inputs = one.inputs(one.config, encoding)
    batch = encoding.encode(rows).batch(range(6))
    plain, _ = inputs.eval()(batch)
    torch.testing.assert_close(plain, batch["frames"])
    torch.manual_seed(1)
    changed, _ = inputs.train()(batch)
    assert not torch.allclose(changed, plain)
    radii, before = changed.norm(dim=-1), plain.norm(dim=-1)
    near = [before, before.roll(1, 1), before.roll(-1, 1)]
    distance = torch.stack([(radii - one).abs() for one in near]).amin(0)[:, 1:-1]
    assert float(distance.max()) < 1e-5
    moving = task(moves=True)
    both, _ = moving.inputs(moving.config, encoding).eval()(batch)
    torch.testing.assert_close(both[:, 1:, 2:], plain.diff(dim=1))
    metrics = one.scoring(one.config, encoding)
    metrics.update(batch["target"], batch, rows)
    assert (tmp_path / "clips.png") in metrics.pictures(tmp_path)


def test_a_clip_given_to_predict_is_numbers_json_or_a_path(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", frames(2))
    one = task()
    lines = ["0.5,1,2,3", "[[1, 2], [3, 4]]", str(tmp_path / "a.npy")]
    points, listed, array = one.parse(lines, "input")
    assert points["frames"] == [[0.5, 1], [2, 3]] and listed["frames"] == [[1, 2], [3, 4]]
    assert np.shape(array["frames"]) == (2, 6, 8)
    assert one.parse([one.text_of(points)], "input")[0]["frames"] == points["frames"]
    with pytest.raises(UserError, match="input, line 2: expected 2 numbers of each frame"):
        one.parse(["1,2", "1,2,x"], "input")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("[]", r"found an array \(0,\).*expected numbers"),
        ("[1, 2]", r"found an array \(2,\).*expected numbers"),
        ("[[], []]", r"found an array \(2, 0\).*expected numbers"),
        ("[[[[]]]]", r"found an array \(1, 1, 1, 0\).*expected numbers"),
        ("[[1, NaN]]", "holds a number that is none or infinite"),
        ("[[1, 2], [3]]", "expected frames as JSON"),
    ],
)
def test_frames_of_a_line_that_are_no_clip_are_named(line: str, said: str) -> None:
    with pytest.raises(UserError, match=f"input, line 2: {said}"):
        task().parse(["[[1, 2]]", line], "input")


def test_moving_digits_of_the_test_are_in_no_clip_of_training() -> None:
    one = task(train=60, others=20)
    source = one.source(one.config)
    splits, again = source.read(DataSource()), source.read(DataSource())
    assert [len(splits[name]) for name in splits] == [60, 20, 20]
    assert splits["test"] == again["test"] != source.read(DataSource(seed=1))["test"]
    clip = np.asarray(splits["train"][0]["frames"])
    assert clip.shape == (12, 16, 16) and clip.min() >= 0 and clip.max() <= 255
    centres = [np.argwhere(frame > 60).mean(axis=0) for frame in clip]
    assert np.ptp(np.asarray(centres), axis=0).max() > 2

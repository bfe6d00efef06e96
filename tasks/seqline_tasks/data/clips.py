"""Reading clips, rows of frames or of vectors: by label from folders and arrays, CSV, archives.

    CLIPS/waving/0001.npy         (T, H, W), (T, H, W, 3), or vectors (T, F)
    CLIPS/waving/0002/000.png     a frame each, in the order of their names
    points.csv                    label, x of frame 1, y of frame 1, x of frame 2, …
    vowels.ts                     as in the archives of time series, `data/archive.py`

Nothing is unpickled.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from seqline_plugins.errors import UserError
from seqline_plugins.task.source import Example
from seqline_tasks.data.archive import SUFFIX, read_archive
from seqline_tasks.data.files import read_lines

FRAMES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".pgm")
ARRAYS = (".npy", ".npz")


def read_clips(path: Path, numbers: int, option: str) -> list[Example]:
    """Return the examples of a folder or a file, {"frames": …, "label": …, "place": …}.

    frames are lists (T, H, W) of shades 0 to 255, or (T, F) of vectors; `option` is what says how
    many numbers a step has in CSV rows. Raises `UserError` naming the file for what is none, and
    for frames of different sizes.
    """
    if path.is_dir():
        return _of_folder(path)
    name = path.name.removesuffix(".gz")
    if name.endswith(SUFFIX):
        return read_archive(path)
    if name.endswith((".csv", ".txt")):
        return _of_csv(path, numbers, option)
    alone = " A clip of its own has no label." if path.suffix in ARRAYS else ""
    raise UserError(
        f"{path}: expected a folder with a folder of clips for each label, a CSV of labelled "
        f"numbers, or {SUFFIX}.{alone}"
    )


def clip_of_line(line: str, place: str, numbers: int) -> Example:
    """Return the clip, without a label, that a line for `seqline predict` gives.

    Numbers apart by commas, so many a step; frames as JSON; or the path of a clip. Raises
    `UserError` naming the place.
    """
    if line.startswith("["):
        try:
            frames = np.asarray(json.loads(line), dtype=np.float64)
        except (ValueError, TypeError) as error:
            raise UserError(f"{place}: expected frames as JSON ({error}).") from error
        return {"frames": _frames(frames, place).tolist(), "label": None, "place": place}
    if Path(line).exists():
        clip = read_clip(Path(line))
        if clip is None:
            raise UserError(f"{place}: '{line}' is no clip: a .npy or a folder of frames.")
        return {"frames": clip.tolist(), "label": None, "place": line}
    try:
        values = [float(word) for word in line.replace(",", " ").split()]
    except ValueError:
        values = []
    if not values or len(values) % numbers or not all(map(math.isfinite, values)):
        raise UserError(
            f"{place}: expected {numbers} numbers of each frame, or a clip's path: {line[:40]!r}"
        )
    frames = np.asarray(values).reshape(-1, numbers)
    return {"frames": frames.tolist(), "label": None, "place": place}


def clips_of_lines(lines: Iterable[str], place: str, numbers: int) -> list[Example]:
    """Return the clip of each line that is not empty."""
    given = [(n, line.strip()) for n, line in enumerate(lines, start=1) if line.strip()]
    return [clip_of_line(line, f"{place}, line {n}", numbers) for n, line in given]


def line_of_clip(example: Example) -> str:
    """Return the line that gives this clip: vectors apart by commas, pictures as JSON."""
    frames = example["frames"]
    if np.ndim(frames) > 2:
        return json.dumps(frames)
    return ",".join(f"{value:.9g}" for frame in frames for value in frame)


def _of_csv(path: Path, coordinates: int, option: str) -> list[Example]:
    examples: list[Example] = []
    for number, line in read_lines(path):
        if not line.strip():
            continue
        label, *fields = (field.strip() for field in line.split(","))
        place = f"{path}, line {number}"
        try:
            values = [float(field) for field in fields]
        except ValueError:
            if number == 1:
                continue  # names of the columns
            raise UserError(
                f"{place}: expected a label and numbers, separated by commas: {line[:40]!r}"
            ) from None
        if not values or len(values) % coordinates:
            raise UserError(
                f"{place}: found {len(values)} numbers, expected {coordinates} of each frame "
                f"({option})."
            )
        wrong = next((v for v in values if not math.isfinite(v)), None)
        if wrong is not None:
            raise UserError(f"{place}: found {wrong}, expected numbers.")
        frames = np.asarray(values).reshape(-1, coordinates).tolist()
        examples.append({"frames": frames, "label": label, "place": place})
    if not examples:
        raise UserError(f"{path}: found no row of a label and numbers.")
    return examples


def _of_folder(folder: Path) -> list[Example]:
    examples: list[Example] = []
    first: tuple[Any, str] | None = None
    for label in sorted(one for one in folder.iterdir() if one.is_dir()):
        for clip in sorted(label.iterdir()):
            frames = read_clip(clip)
            if frames is None:
                continue
            size = frames.shape[1:]
            if first is None:
                first = (size, str(clip))
            if size != first[0]:
                raise UserError(
                    f"{clip}: its frames are {_spelled(size)}, those of {first[1]} "
                    f"{_spelled(first[0])}; expected one size for all clips."
                )
            examples.append({"frames": frames.tolist(), "label": label.name, "place": str(clip)})
    if not examples:
        raise UserError(
            f"{folder}: found no clips, expected a folder for each label with .npy files or "
            f"folders of frames ({', '.join(FRAMES)})."
        )
    return examples


def read_clip(path: Path) -> Any:
    """Return a clip's shades (T, H, W), or its points (T, F); None for what is no clip."""
    if path.is_dir():
        frames = [one for one in sorted(path.iterdir()) if one.suffix.lower() in FRAMES]
        return _stacked([_frame(one) for one in frames], frames) if frames else None
    if path.suffix.lower() not in ARRAYS:
        return None
    try:
        found = np.load(path, allow_pickle=False)
        array = found[next(iter(found.files))] if path.suffix == ".npz" else found
    except ValueError as error:
        if "pickle" not in str(error):
            raise UserError(f"{path}: cannot be read as an array ({error}).") from error
        raise UserError(
            f"{path}: holds pickled objects, which can run any program and are not read. Write it "
            "again as plain numbers: numpy.save of one array, or for sketches "
            "benchmarks/convert_sketches.py."
        ) from error
    except (OSError, EOFError, StopIteration) as error:
        raise UserError(f"{path}: cannot be read as an array ({error}).") from error
    return _shades(array, path)


def _shades(array: Any, path: Path) -> Any:
    array = _frames(array, str(path))
    unit = array.ndim == 3 and array.max() <= 1
    return (array * 255 if unit else array).round(6)


def _frames(array: Any, place: str) -> Any:
    """Return pictures (T, H, W) or points (T, F) as numbers, the mean of a picture's channels."""
    if array.ndim == 4 and array.size and array.dtype.kind in "uifb":
        array = array.mean(axis=-1)
    if array.ndim not in (2, 3) or not array.size or array.dtype.kind not in "uifb":
        raise UserError(
            f"{place}: found an array {array.shape} of {array.dtype}, expected numbers (T, H, W), "
            "(T, H, W, channels), or points (T, F)."
        )
    array = array.astype(np.float64)
    if not np.isfinite(array).all():
        raise UserError(f"{place}: holds a number that is none or infinite (NaN, inf).")
    return array


def _frame(path: Path) -> Any:
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("L"), dtype=np.float64)
    except (OSError, UnidentifiedImageError) as error:
        raise UserError(f"{path}: cannot be read as a picture ({error}).") from error


def _stacked(frames: list[Any], paths: list[Path]) -> Any:
    for frame, path in zip(frames, paths, strict=True):
        if frame.shape != frames[0].shape:
            raise UserError(
                f"{path}: its frame is {_spelled(frame.shape)}, that of {paths[0]} "
                f"{_spelled(frames[0].shape)}; expected frames of one size."
            )
    return np.stack(frames)


def _spelled(size: tuple[int, ...]) -> str:
    return " × ".join(map(str, size))

"""Reading clips: folders of frames or .npy files by label, CSV rows of labelled points.

    CLIPS/waving/0001.npy         (T, H, W) or (T, H, W, 3)
    CLIPS/waving/0002/000.png     a frame each, in the order of their names
    points.csv                    label, x of frame 1, y of frame 1, x of frame 2, …

Nothing is unpickled.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from seqline_plugins.errors import UserError
from seqline_plugins.task import Example
from seqline_tasks.data.files import read_lines

FRAMES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".pgm")
ARRAYS = (".npy", ".npz")


def read_clips(path: Path, coordinates: int) -> list[Example]:
    """Return the examples of a folder or a file, {"frames": …, "label": …, "place": …}.

    frames are lists (T, H, W) of shades 0 to 255, or (T, F) of coordinates. Raises `UserError`
    naming the file for what is none, and for frames of different sizes.
    """
    if path.is_dir():
        return _of_folder(path)
    if path.name.removesuffix(".gz").endswith((".csv", ".txt")):
        return _of_csv(path, coordinates)
    raise UserError(
        f"{path}: expected a folder with a folder of clips for each label, or a CSV of labelled "
        f"points.{' A clip of its own has no label.' if path.suffix in ARRAYS else ''}"
    )


def _of_csv(path: Path, coordinates: int) -> list[Example]:
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
                "(task.coordinates)."
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
    if array.ndim == 4:
        array = array.mean(axis=-1)
    if array.ndim not in (2, 3) or not len(array) or array.dtype.kind not in "uifb":
        raise UserError(
            f"{path}: found an array {array.shape} of {array.dtype}, expected numbers (T, H, W), "
            "(T, H, W, channels), or points (T, F)."
        )
    array = array.astype(np.float64)
    if not np.isfinite(array).all():
        raise UserError(f"{path}: holds a number that is none or infinite (NaN, inf).")
    unit = array.ndim == 3 and array.max() <= 1
    return (array * 255 if unit else array).round(6)


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

"""Where drawings come from: KanjiVG, SVG files, arrays of strokes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, files, version
from pathlib import Path
from typing import Any

import numpy as np

from seqline_plugins.errors import UserError
from seqline_plugins.task.source import DataSource, Example, Source
from seqline_tasks.data.arrays import Array, read_arrays, splits_in
from seqline_tasks.data.files import digest_of, matching_files
from seqline_tasks.data.split import deal, hold_out
from seqline_tasks.drawing.baseline import without_memory
from seqline_tasks.drawing.strokes import points_of, stroke_count
from seqline_tasks.drawing.svg import read_strokes

FILES = ("train", "validation", "test", "file")
CONVERTER = (
    "Write the sketches as plain arrays, as benchmarks/convert_sketches.py does for sketch-rnn's "
    "files: NAME of all points, NAME_offsets where each sketch begins."
)


class DrawingSource(Source):
    """Drawings, {"name": …, "points": [[Δx, Δy, lifted], …], "label": …}."""

    def read(self, data: DataSource) -> dict[str, list[Example]]:
        """Return train, validation and test."""
        if data.source == "hub":
            raise UserError(
                "data=hub: drawings are read from data=builtin or data=files data.train=… (SVG, or "
                "arrays of strokes as .npz)."
            )
        if data.source == "builtin":
            if self.config.label == "folder":
                raise UserError(
                    "task.label: found folder, but data=builtin has no folders; expected strokes "
                    "or none."
                )
            drawings = [self._of_svg(path) for path in _kanji()]
            return deal(drawings, data.split, "random", data.seed)
        if data.file:
            return self._one_file(data)
        given = [key for key in FILES if getattr(data, key)]
        return hold_out({key: self._files(data, key) for key in given}, "drawing")

    def fingerprint(self, data: DataSource) -> dict[str, Any]:
        """Return file digests, or the package that holds the data and its version."""
        rule: dict[str, Any] = {"split": data.split, "split_by": data.split_by, "seed": data.seed}
        rule |= {"source": data.source}
        if data.source == "builtin":
            _kanji()
            return rule | {"kanjivg": version("kanjivg")}
        return rule | {
            key: [(str(path), digest_of(path)) for path in _paths(data, key)]
            for key in FILES
            if getattr(data, key)
        }

    def baseline(self, splits: Mapping[str, Sequence[Example]]) -> dict[str, float]:
        """Return what single points tell, without a memory of those before."""
        return without_memory(splits, self.config.components, self.config.smallest)

    def _one_file(self, data: DataSource) -> dict[str, list[Example]]:
        """Read an array file that holds the three splits, or files that are dealt here."""
        paths = _paths(data, "file")
        splits = None
        if len(paths) == 1 and paths[0].suffix == ".npz":
            splits = splits_in(read_arrays(paths[0], CONVERTER))
        if splits is None:
            return deal(self._files(data, "file"), data.split, data.split_by, data.seed)
        read = {name: self._of_arrays(arrays, paths[0], name) for name, arrays in splits.items()}
        return hold_out(read, "drawing")

    def _files(self, data: DataSource, key: str) -> list[Example]:
        drawings: list[Example] = []
        for path in _paths(data, key):
            if path.suffix == ".npz":
                for name, arrays in read_arrays(path, CONVERTER).items():
                    drawings += self._of_arrays(arrays, path, name)
            elif path.suffix.lower() == ".svg":
                drawings.append(self._of_svg(path))
            else:
                raise UserError(
                    f"data.{key}={path}: found {path.suffix or 'no suffix'}, expected .svg or .npz."
                )
        return drawings

    def _of_svg(self, path: Path) -> Example:
        points = points_of(read_strokes(path, self.config.tolerance))
        return self._example(path.stem, points, path.parent.name)

    def _of_arrays(self, arrays: Sequence[Array], path: Path, name: str) -> list[Example]:
        if self.config.label == "folder":
            raise UserError(
                f"{path}: task.label=folder names drawings by their file's folder, but here are "
                "many in one; expected strokes or none."
            )
        found = []
        for number, points in enumerate(arrays, start=1):
            place = f"{path}: {name}, drawing {number}"
            found.append(self._example(f"{path.stem} {name} {number}", _checked(points, place), ""))
        return found

    def _example(self, name: str, points: list[list[float]], folder: str) -> Example:
        labels = {"strokes": str(stroke_count(points)), "folder": folder, "none": ""}
        return {"name": name, "points": points, "label": labels[self.config.label]}


def _checked(points: Array, place: str) -> list[list[float]]:
    """Return stroke-3 as lists; a first point where the pen already is says nothing and goes."""
    if points.ndim != 2 or points.shape[1] != 3 or points.dtype.kind not in "iuf":
        raise UserError(
            f"{place}: found {points.dtype} of the shape {points.shape}, expected numbers (points, "
            "3): Δx, Δy and 1 where the pen is lifted."
        )
    if not bool(np.isfinite(points).all()):
        raise UserError(f"{place}: found NaN or infinity.")
    if not bool(np.isin(points[:, 2], (0, 1)).all()):
        raise UserError(f"{place}: found a pen that is neither 0 (down) nor 1 (lifted).")
    rows: list[list[float]] = points.tolist()
    if rows and rows[0] == [0, 0, 0]:
        rows = rows[1:]
    if not rows:
        raise UserError(f"{place}: it has no points.")
    return rows


def _kanji() -> list[Path]:
    """Return KanjiVG's files of one character each, its variants left out."""
    try:
        listed = files("kanjivg") or []
    except PackageNotFoundError as error:
        raise UserError(
            "data=builtin reads the package kanjivg, which is not installed: "
            "pip install 'seqline[samples]', or use data=files data.train=… data.test=…"
        ) from error
    kept = [one for one in listed if one.suffix == ".svg" and "-" not in one.name]
    return sorted(Path(str(one.locate())) for one in kept)


def _paths(data: DataSource, key: str) -> list[Path]:
    given = getattr(data, key)
    patterns = given if isinstance(given, list) else [given]
    return [path for pattern in patterns for path in matching_files(pattern, f"data.{key}")]

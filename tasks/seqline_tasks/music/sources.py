"""Where music comes from: Bach's chorales, piano rolls, MIDI files, scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from seqline_plugins.errors import UserError
from seqline_plugins.task.source import DataSource, Example, Source
from seqline_tasks.data.arrays import Array, read_arrays, splits_in
from seqline_tasks.data.files import digest_of, matching_files
from seqline_tasks.data.split import deal, hold_out
from seqline_tasks.music.baseline import baselines
from seqline_tasks.music.chorales import read_chorales, version_of_chorales
from seqline_tasks.music.midi import read_midi
from seqline_tasks.music.musicxml import read_musicxml
from seqline_tasks.music.notes import KEYS, Score, frames_of

FILES = ("train", "validation", "test", "file")
ROLLS = (".mat", ".npz")
SCORES = {
    ".mid": read_midi,
    ".midi": read_midi,
    ".musicxml": read_musicxml,
    ".mxl": read_musicxml,
    ".xml": read_musicxml,
}
CONVERTER = "Write the rolls as plain arrays: NAME of all frames, NAME_offsets where each begins."


class MusicSource(Source):
    """Pieces, {"name": …, "frames": [[key, …], …]} with keys from 0 (A0) to 87 (C8)."""

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self._too_short: dict[str, int] = {}

    def read(self, data: DataSource) -> dict[str, list[Example]]:
        """Return train, validation and test; pieces of one frame tell nothing and are left out."""
        if data.source == "hub":
            raise UserError(
                "data=hub: music is read from data=builtin or data=files data.train=… (piano rolls "
                "as .mat or .npz, MIDI, MusicXML)."
            )
        if data.source == "builtin":
            pieces = [self._example(name, self.frames(score)) for name, score in read_chorales()]
            return deal(self._told("builtin", pieces), data.split, data.split_by, data.seed)
        if data.file:
            return self._one_file(data)
        given = [key for key in FILES if getattr(data, key)]
        return hold_out({key: self._told(key, self._files(data, key)) for key in given}, "piece")

    def fingerprint(self, data: DataSource) -> dict[str, Any]:
        """Return file digests, or the package that holds the data and its version."""
        rule: dict[str, Any] = {"split": data.split, "split_by": data.split_by, "seed": data.seed}
        rule |= {"source": data.source}
        if data.source == "builtin":
            return rule | version_of_chorales()
        return rule | {
            key: [digest_of(path) for path in _paths(data, key)]
            for key in FILES
            if getattr(data, key)
        }

    def baseline(self, splits: Mapping[str, Sequence[Example]]) -> dict[str, float]:
        """Return what is known without a model: how often each key sounds, and goes on sounding."""
        return baselines(splits)

    def warnings(self, splits: Mapping[str, Sequence[Example]]) -> list[str]:
        """Tell of pieces that were left out, and of test pieces that training has too."""
        found = [
            f"{count:,} pieces of {name} have one frame or none and are left out."
            for name, count in self._too_short.items()
        ]
        trained = {str(one["frames"]) for one in splits["train"]}
        shared = sum(str(one["frames"]) in trained for one in splits["test"])
        if shared:
            of = f"{shared:,} of {len(splits['test']):,} test pieces"
            found.append(f"{of} are in the training data too, frame for frame: the scores flatter.")
        return found

    def frames(self, score: Score) -> list[list[int]]:
        """Return a score's frames by this task's options."""
        return frames_of(score, self.config.frames_per_quarter, self.config.to_c)

    def _one_file(self, data: DataSource) -> dict[str, list[Example]]:
        """Read files that hold the three splits, or that are dealt here."""
        paths = _paths(data, "file")
        splits = None
        if len(paths) == 1 and paths[0].suffix in ROLLS:
            splits = splits_in(read_arrays(paths[0], CONVERTER))
        if splits is None:
            pieces = self._told("file", self._files(data, "file"))
            return deal(pieces, data.split, data.split_by, data.seed)
        read = {
            name: self._told(name, [_of_roll(roll, paths[0], name, n) for n, roll in _each(rolls)])
            for name, rolls in splits.items()
        }
        return hold_out(read, "piece")

    def _files(self, data: DataSource, key: str) -> list[Example]:
        pieces: list[Example] = []
        for path in _paths(data, key):
            if path.suffix in ROLLS:
                groups = read_arrays(path, CONVERTER)
                for name, rolls in groups.items():
                    pieces += [_of_roll(roll, path, name, number) for number, roll in _each(rolls)]
            else:
                pieces.append(
                    self._example(path.stem, self.frames(read_score(path, f"data.{key}")))
                )
        return pieces

    def _told(self, name: str, pieces: list[Example]) -> list[Example]:
        """Return the pieces that have a second frame to be told from the first."""
        kept = [piece for piece in pieces if len(piece["frames"]) > 1]
        if len(kept) < len(pieces):
            self._too_short[name] = len(pieces) - len(kept)
        if not kept:
            raise UserError(f"data.{name}: no piece has two frames or more.")
        return kept

    @staticmethod
    def _example(name: str, frames: list[list[int]]) -> Example:
        return {"name": name, "frames": frames}


def read_score(path: Path, place: str) -> Score:
    """Return the notes of a MIDI file or a score; raises `UserError` for another kind of file."""
    reader = SCORES.get(path.suffix.lower())
    if reader is None:
        known = ", ".join([*ROLLS, *SCORES])
        raise UserError(f"{place}={path}: found {path.suffix or 'no suffix'}, expected {known}.")
    try:
        return reader(path)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror or error}).") from error


def _paths(data: DataSource, key: str) -> list[Path]:
    given = getattr(data, key)
    patterns = given if isinstance(given, list) else [given]
    return [path for pattern in patterns for path in matching_files(pattern, f"data.{key}")]


def _each(rolls: Sequence[Array]) -> list[tuple[int, Array]]:
    return list(enumerate(rolls, start=1))


def _of_roll(roll: Array, path: Path, name: str, number: int) -> Example:
    """Return a piano roll (T, 88) of 0 and 1 as an example."""
    place = f"{path}: {name}, piece {number}"
    if roll.ndim != 2 or roll.shape[1] != KEYS:
        raise UserError(f"{place}: found the shape {roll.shape}, expected (frames, {KEYS}).")
    if roll.dtype.kind not in "biuf" or not bool(np.isin(roll, (0, 1)).all()):
        raise UserError(f"{place}: found other values than 0 and 1, expected a piano roll of them.")
    frames = [np.flatnonzero(frame).tolist() for frame in roll]
    return {"name": f"{path.stem} {name} {number}", "frames": frames}

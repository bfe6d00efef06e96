"""Where labelled clips come from, rows of frames or of vectors: how each class is dealt."""

from __future__ import annotations

import glob
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from seqline_plugins.errors import UserError
from seqline_plugins.task.source import DataSource, Example, Source
from seqline_tasks.data.clips import read_clips
from seqline_tasks.data.corpus import KEYS
from seqline_tasks.data.files import digest_of, matching_files
from seqline_tasks.data.labels import (
    deal_classes,
    hold_out_of_classes,
    most_frequent_class,
    new_classes,
)

SHARES = (0.7, 0.1, 0.2)


class ClipSource(Source):
    """Labelled clips.

    One file is split within each class, in order: neighbouring rows are of one recording, and a
    random split would let the test's recordings into training.
    """

    @property
    @abstractmethod
    def numbers(self) -> tuple[int, str]:
        """How many numbers a step has in CSV rows, and the option that says so."""

    @abstractmethod
    def builtin(self, data: DataSource) -> Mapping[str, Sequence[Example]]:
        """Return the splits of the built-in clips."""

    @abstractmethod
    def builtin_versions(self) -> dict[str, str]:
        """Return what holds them, and its version."""

    def read(self, data: DataSource) -> Mapping[str, Sequence[Example]]:
        """Return train, validation and test."""
        if data.source == "hub":
            raise UserError("data=hub: clips are read from files, or data=builtin.")
        if data.source == "builtin":
            return self.builtin(data)
        given = [key for key in KEYS if getattr(data, key)]
        read = {
            key: [one for path in _paths(data, key) for one in read_clips(path, *self.numbers)]
            for key in given
        }
        if "file" in read:
            return deal_classes(read["file"], data.split or SHARES, data.split_by, data.seed)
        return hold_out_of_classes(read, "clip")

    def fingerprint(self, data: DataSource) -> dict[str, Any]:
        """Return the digests of all files, or the version of what is built in."""
        rule: dict[str, Any] = {"split": data.split, "split_by": data.split_by, "seed": data.seed}
        rule["source"] = data.source
        if data.source != "files":
            return rule | {"options": asdict(self.config)} | self.builtin_versions()
        given = [key for key in KEYS if getattr(data, key)]
        return rule | {key: [_digests(path) for path in _paths(data, key)] for key in given}

    def baseline(self, splits: Mapping[str, Sequence[Example]]) -> dict[str, float]:
        """Return the most frequent class, and the five nearest clips, step by step."""
        found = {"accuracy": most_frequent_class(splits["train"], splits["test"])}
        nearest = _nearest_neighbours(splits)
        return found | ({} if nearest is None else {"accuracy of 5 nearest neighbours": nearest})

    def warnings(self, splits: Mapping[str, Sequence[Example]]) -> list[str]:
        """Tell of classes that training never had."""
        return new_classes(splits)


def _nearest_neighbours(splits: Mapping[str, Sequence[Example]]) -> float | None:
    """Return their accuracy, None where clips are not equally long or scikit-learn is missing."""
    try:
        from sklearn.neighbors import KNeighborsClassifier
    except ImportError:
        return None
    parts = [splits["train"], splits["test"]]
    if len({len(example["frames"]) for part in parts for example in part}) > 1:
        return None
    given = [np.asarray([e["frames"] for e in part], dtype=np.float32) for part in parts]
    flat = [one.reshape(len(one), -1) for one in given]
    labels = [[example["label"] for example in part] for part in parts]
    model = KNeighborsClassifier(min(5, len(flat[0]))).fit(flat[0], labels[0])
    return float(model.score(flat[1], labels[1]))


def _paths(data: DataSource, key: str) -> list[Path]:
    """Return what a key names: folders of clips, or files."""
    given = getattr(data, key)
    found = []
    for pattern in given if isinstance(given, list) else [given]:
        folders = [Path(p) for p in sorted(glob.glob(pattern, recursive=True)) if Path(p).is_dir()]
        found += folders or matching_files(pattern, f"data.{key}")
    return found


def _digests(path: Path) -> Any:
    if not path.is_dir():
        return digest_of(path)
    files = sorted(one for one in path.rglob("*") if one.is_file())
    return {str(one.relative_to(path)): digest_of(one) for one in files}

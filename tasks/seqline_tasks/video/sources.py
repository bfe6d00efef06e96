"""Where clips come from: moving digits, files; how each class is dealt."""

from __future__ import annotations

import glob
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from seqline_plugins.errors import UserError
from seqline_plugins.sources import DataSource
from seqline_plugins.task import Example, Source
from seqline_tasks.data.files import digest_of, matching_files
from seqline_tasks.data.labels import most_frequent_class
from seqline_tasks.data.split import SPLITS, deal, hold_out
from seqline_tasks.video.clips import read_clips
from seqline_tasks.video.moving_digits import moving_digits, version_of_digits

SHARES = (0.7, 0.1, 0.2)
KEYS = ("train", "validation", "test", "file")


class ClipSource(Source):
    """Labelled clips.

    One file is split within each class, in order: neighbouring rows are of one recording, and a
    random split would let the test's recordings into training.
    """

    def read(self, data: DataSource) -> dict[str, list[Example]]:
        """Return train, validation and test."""
        if data.source == "hub":
            raise UserError("data=hub: videos are read from files, or data=builtin.")
        if data.source == "builtin":
            return moving_digits(self.config.train, self.config.others, data.seed)
        given = [key for key in KEYS if getattr(data, key)]
        read = {
            key: [
                one
                for path in _paths(data, key)
                for one in read_clips(path, self.config.coordinates)
            ]
            for key in given
        }
        if "file" in read:
            return deal_classes(read["file"], data.split or SHARES, data.split_by, data.seed)
        return hold_out(read, "clip")

    def fingerprint(self, data: DataSource) -> dict[str, Any]:
        """Return the digests of all files, or scikit-learn's version."""
        rule: dict[str, Any] = {"split": data.split, "split_by": data.split_by, "seed": data.seed}
        rule["source"] = data.source
        if data.source != "files":
            return rule | {"options": asdict(self.config)} | version_of_digits()
        given = [key for key in KEYS if getattr(data, key)]
        return rule | {key: [_digests(path) for path in _paths(data, key)] for key in given}

    def baseline(self, splits: Mapping[str, Sequence[Example]]) -> dict[str, float]:
        """Return the most frequent class, and the five nearest clips, frame by frame."""
        found = {"accuracy": most_frequent_class(splits["train"], splits["test"])}
        nearest = _nearest_neighbours(splits)
        return found | ({} if nearest is None else {"accuracy of 5 nearest neighbours": nearest})

    def warnings(self, splits: Mapping[str, Sequence[Example]]) -> list[str]:
        """Tell of classes that training never had."""
        known = {example["label"] for example in splits["train"]}
        new = sorted({e["label"] for e in splits["test"]} - known)
        return [f"the test data have classes that training never had: {new}."] if new else []


def deal_classes(
    rows: Sequence[Example], split: Sequence[Any], by: str, seed: int
) -> dict[str, list[Example]]:
    """Deal the rows of each class by itself, so that each split has all of them.

    Raises `UserError` for a class with too few rows, naming the place of the first.
    """
    if any(isinstance(share, int) and share > 1 for share in split):
        raise UserError(f"data.split: found {list(split)}, expected shares: each class is dealt.")
    classes: dict[str, list[Example]] = defaultdict(list)
    for row in rows:
        classes[row["label"]].append(row)
    dealt: dict[str, list[Example]] = {name: [] for name in SPLITS}
    for label, own in classes.items():
        if len(own) < 3:
            often = {1: "once", 2: "twice"}[len(own)]
            raise UserError(
                f"{own[0]['place']}: the class '{label}' stands {often}, expected it at least "
                "three times: for training, validation and test."
            )
        for name, part in deal(own, split, by, seed).items():
            dealt[name] += part
    return dealt


def _nearest_neighbours(splits: Mapping[str, Sequence[Example]]) -> float | None:
    """Return their accuracy, None where clips are not equally long or scikit-learn is missing."""
    import numpy as np

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

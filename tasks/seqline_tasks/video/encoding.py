"""Clips in numbers: frames flat, key points centred and scaled as in training.

Letters: B clips, T frames, F numbers of a frame, H and W its height and width.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from seqline_plugins.errors import UserError
from seqline_plugins.task.encoding import Encoding
from seqline_plugins.task.rows import Rows
from seqline_plugins.task.source import Example
from seqline_tasks.data.labels import classes_of, numbers_of

BRIGHTEST = 255


@dataclass
class ClipEncoding(Encoding):
    """The classes, the size of a frame, (H, W) or (F,), and the points' spread."""

    classes: list[str]
    size: list[int]
    mean: list[float]
    spread: float

    @classmethod
    def build(cls, examples: Iterable[Example], config: Any) -> ClipEncoding:
        """Measure the training clips."""
        given = list(examples)
        classes = classes_of(given)
        size = list(np.shape(given[0]["frames"])[1:])
        for example in given:
            _checked(example, size)
        if len(size) == 2:
            return cls(classes, size, [], float(BRIGHTEST))
        points = np.concatenate([np.asarray(example["frames"]) for example in given])
        spread = float((points - points.mean(axis=0)).std())
        return cls(classes, size, points.mean(axis=0).tolist(), spread or 1.0)

    @property
    def is_picture(self) -> bool:
        """Whether frames are pictures, not key points."""
        return len(self.size) == 2

    def describe(self) -> dict[str, int]:
        """Return the number of classes and the size of a frame."""
        return {"classes": len(self.classes), "numbers of a frame": int(np.prod(self.size))}

    def encode(self, examples: Sequence[Example]) -> Rows:
        """Return frames (T, F) of each clip, a picture's rows one after the other."""
        clips = [_checked(example, self.size) for example in examples]
        if self.is_picture:
            frames = [clip.reshape(len(clip), -1) / self.spread for clip in clips]
        else:
            frames = [(clip - np.asarray(self.mean)) / self.spread for clip in clips]
        flat = [frame.astype(np.float32) for frame in frames]
        return Rows({"frames": flat, "target": numbers_of(examples, self.classes)})


def _checked(example: Example, size: Sequence[int]) -> Any:
    place = example.get("place") or "a clip"
    clip = np.asarray(example["frames"], dtype=np.float64)
    if clip.ndim != len(size) + 1 or list(clip.shape[1:]) != list(size):
        found, wanted = (" × ".join(map(str, s)) for s in (clip.shape[1:], size))
        raise UserError(f"{place}: its frames are of size {found}, expected {wanted}.")
    return clip

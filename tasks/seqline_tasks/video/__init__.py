"""Video: a row of frames or of key points in, the name of what is seen out."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from seqline_plugins.errors import UserError
from seqline_plugins.task import Example
from seqline_tasks.class_task import ClassTask, mark_classes
from seqline_tasks.video.clips import read_clip
from seqline_tasks.video.config import Config
from seqline_tasks.video.encoding import ClipEncoding
from seqline_tasks.video.inputs import FrameInputs
from seqline_tasks.video.scoring import ClipMetrics
from seqline_tasks.video.sources import ClipSource

__all__ = ["Video"]


class Video(ClassTask):
    """Names what is seen in a clip; scored beside the most frequent class and nearest clips."""

    Config = Config
    source = ClipSource
    encoding = ClipEncoding
    inputs = FrameInputs
    scoring = ClipMetrics

    def parse(self, lines: Iterable[str], place: str) -> list[Example]:
        """Read a clip a line: numbers apart by commas, JSON, or the path of a clip."""
        given = [(n, line.strip()) for n, line in enumerate(lines, start=1) if line.strip()]
        return [self._clip(line, f"{place}, line {n}") for n, line in given]

    def text_of(self, example: Example) -> str:
        """Return points apart by commas, pictures as JSON."""
        frames = example["frames"]
        if np.ndim(frames) > 2:
            return json.dumps(frames)
        return ",".join(f"{value:.9g}" for frame in frames for value in frame)

    def samples(self, examples: Sequence[Example], predicted: Sequence[Sequence[str]]) -> list[str]:
        """Return a few clips by their place; the pictures show them."""
        texts = [
            example["place"] or f"clip {number}, {len(example['frames'])} frames"
            for number, example in enumerate(examples, start=1)
        ]
        return mark_classes(texts, examples, predicted)

    def _clip(self, line: str, place: str) -> Example:
        if line.startswith("["):
            try:
                frames = np.asarray(json.loads(line), dtype=np.float64)
            except (ValueError, TypeError) as error:
                raise UserError(f"{place}: expected frames as JSON ({error}).") from error
            return {"frames": frames.tolist(), "label": None, "place": place}
        if Path(line).exists():
            clip = read_clip(Path(line))
            if clip is None:
                raise UserError(f"{place}: '{line}' is no clip: a .npy or a folder of frames.")
            return {"frames": clip.tolist(), "label": None, "place": line}
        try:
            values = [float(word) for word in line.replace(",", " ").split()]
        except ValueError:
            values = []
        size = self.config.coordinates
        if not values or len(values) % size or not all(map(math.isfinite, values)):
            raise UserError(
                f"{place}: expected {size} numbers of each frame, or a clip's path: {line[:40]!r}"
            )
        frames = np.asarray(values).reshape(-1, size)
        return {"frames": frames.tolist(), "label": None, "place": place}

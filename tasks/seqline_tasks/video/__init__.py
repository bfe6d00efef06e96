"""Video: a row of frames or of key points in, the name of what is seen out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from seqline_plugins.task.source import Example
from seqline_tasks.class_task import ClassTask, mark_classes
from seqline_tasks.data.clips import clips_of_lines, line_of_clip
from seqline_tasks.video.config import Config
from seqline_tasks.video.encoding import ClipEncoding
from seqline_tasks.video.inputs import FrameInputs
from seqline_tasks.video.scoring import ClipMetrics
from seqline_tasks.video.sources import VideoSource

__all__ = ["Video"]


class Video(ClassTask):
    """Names what is seen in a clip; scored beside the most frequent class and nearest clips."""

    Config = Config
    source = VideoSource
    encoding = ClipEncoding
    inputs = FrameInputs
    scoring = ClipMetrics

    def parse(self, lines: Iterable[str], place: str) -> list[Example]:
        """Read a clip a line: numbers apart by commas, JSON, or the path of a clip."""
        return clips_of_lines(lines, place, self.config.coordinates)

    def text_of(self, example: Example) -> str:
        """Return points apart by commas, pictures as JSON."""
        return line_of_clip(example)

    def samples(self, examples: Sequence[Example], predicted: Sequence[Sequence[str]]) -> list[str]:
        """Return a few clips by their place; the pictures show them."""
        texts = [
            example["place"] or f"clip {number}, {len(example['frames'])} frames"
            for number, example in enumerate(examples, start=1)
        ]
        return mark_classes(texts, examples, predicted)

"""Music: what sounds next, told frame by frame, and pieces made from a first chord."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from torch import Tensor

from seqline_plugins.architecture import Kind
from seqline_plugins.errors import UserError
from seqline_plugins.task.metrics import Metric
from seqline_plugins.task.source import DataSource, Example
from seqline_plugins.task.split import Batch
from seqline_plugins.task.task import Task
from seqline_tasks.music.config import Config
from seqline_tasks.music.encoding import EncodedMusic, MusicEncoding
from seqline_tasks.music.generation import MusicGeneration, frames_in
from seqline_tasks.music.head import FrameHead
from seqline_tasks.music.inputs import FrameInputs
from seqline_tasks.music.notes import read_frames, spelled, spelled_frames
from seqline_tasks.music.samples import show_pieces
from seqline_tasks.music.scoring import MusicMetrics
from seqline_tasks.music.sources import MusicSource

__all__ = ["Music"]


class Music(Task):
    """Tells each frame of a piano roll from those before it; the first one is given.

    `architecture=one_to_many` makes a piece from its first chord, `many_to_many` without its
    backward direction tells the next frame as the music goes on.
    """

    Config = Config
    kinds = (Kind("sequence", "aligned"), Kind("entity", "sequence"))
    metrics = (Metric("nll", "lower"), Metric("accuracy"))
    primary = "nll"
    foretells = True

    source = MusicSource
    encoding = MusicEncoding
    split = EncodedMusic
    inputs = FrameInputs
    head = FrameHead
    scoring = MusicMetrics
    generation = MusicGeneration

    def parse(self, lines: Iterable[str], place: str) -> list[Example]:
        """Read pieces, one a line: "C4 E4 G4 | C4 F4 A4"."""
        examples = []
        for number, line in enumerate(lines, start=1):
            try:
                frames = read_frames(line) if line.strip() else []
            except ValueError as error:
                raise UserError(
                    f"{place}, line {number}: {error}; expected frames as in 'C4 E4 G4 | C4 F4 A4'."
                ) from error
            examples.append({"name": f"{place} {number}", "frames": frames})
        return examples

    def text_of(self, example: Example) -> str:
        """Return the frames as `parse` reads them."""
        return spelled_frames(example["frames"])

    def render(
        self, examples: Sequence[Example], predicted: Sequence[Sequence[str]], data: DataSource
    ) -> str:
        """Return how each piece goes on, one a line."""
        return "".join(" | ".join(answer) + "\n" for answer in predicted)

    def decode(self, encoding: Any, predicted: Tensor, batch: Batch) -> list[list[str]]:
        """Return the likeliest next frame after each one."""
        rows = zip(predicted, batch["lengths"].tolist(), strict=True)
        return [[spelled(frame) for frame in frames_in(row[:length])] for row, length in rows]

    def samples(self, examples: Sequence[Example], predicted: Sequence[Sequence[str]]) -> list[str]:
        """Return the beginnings of a few pieces, with what was told wrongly marked."""
        return show_pieces(examples, predicted)

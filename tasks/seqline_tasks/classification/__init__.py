"""Classification: a text or a row of vectors in, the name of its class out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from seqline_plugins.task.encoding import Encoding
from seqline_plugins.task.inputs import Inputs
from seqline_plugins.task.rows import Rows
from seqline_plugins.task.source import Example, Source
from seqline_plugins.task.split import EncodedSplit
from seqline_tasks.class_task import ClassTask, mark_classes
from seqline_tasks.classification.config import VECTORS, Config
from seqline_tasks.classification.encoding import TextEncoding, TextRows
from seqline_tasks.classification.inputs import TextInputs
from seqline_tasks.classification.sources import LabelledSource
from seqline_tasks.classification.vectors import VectorEncoding, VectorInputs, VectorSource
from seqline_tasks.classification.words import cut
from seqline_tasks.data.clips import clips_of_lines, line_of_clip

__all__ = ["Classification"]


class Classification(ClassTask):
    """Names the class of each text, or row of vectors; scored beside the most frequent class."""

    Config = Config
    source: type[Source] = LabelledSource
    encoding: type[Encoding] = TextEncoding
    split: type[EncodedSplit] = TextRows
    inputs: type[Inputs] = TextInputs

    def __init__(self, config: Any = None) -> None:
        super().__init__(config)
        self.of_vectors = self.config.read == VECTORS
        if self.of_vectors:
            self.source, self.encoding = VectorSource, VectorEncoding
            self.split, self.inputs = Rows, VectorInputs

    def parse(self, lines: Iterable[str], place: str) -> list[Example]:
        """Read a text a line, without labels; or vectors: numbers apart by commas, JSON, a path."""
        if self.of_vectors:
            return clips_of_lines(lines, place, self.config.dimensions)
        return [{"words": cut(line, self.config.tokens), "label": None} for line in lines]

    def text_of(self, example: Example) -> str:
        """Return the words apart by spaces, vectors' numbers apart by commas."""
        return line_of_clip(example) if self.of_vectors else " ".join(example["words"])

    def samples(self, examples: Sequence[Example], predicted: Sequence[Sequence[str]]) -> list[str]:
        """Return a few rows with their classes, mistakes marked."""
        return mark_classes([self.text_of(example) for example in examples], examples, predicted)

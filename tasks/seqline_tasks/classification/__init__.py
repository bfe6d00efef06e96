"""Classification: a text in, the name of its class out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from seqline_plugins.task import Example
from seqline_tasks.class_task import ClassTask, mark_classes
from seqline_tasks.classification.config import Config
from seqline_tasks.classification.encoding import TextEncoding, TextRows
from seqline_tasks.classification.inputs import TextInputs
from seqline_tasks.classification.sources import LabelledSource
from seqline_tasks.classification.words import cut

__all__ = ["Classification"]


class Classification(ClassTask):
    """Names the class of each text; scored beside the most frequent class."""

    Config = Config
    source = LabelledSource
    encoding = TextEncoding
    split = TextRows
    inputs = TextInputs

    def parse(self, lines: Iterable[str], place: str) -> list[Example]:
        """Read a text a line, without labels."""
        return [{"words": cut(line, self.config.tokens), "label": None} for line in lines]

    def text_of(self, example: Example) -> str:
        """Return the words apart by spaces."""
        return " ".join(example["words"])

    def samples(self, examples: Sequence[Example], predicted: Sequence[Sequence[str]]) -> list[str]:
        """Return a few texts with their classes, mistakes marked."""
        return mark_classes([self.text_of(example) for example in examples], examples, predicted)

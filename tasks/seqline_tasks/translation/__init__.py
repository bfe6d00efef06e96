"""Translation: a sentence in one language in, its translation out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from torch import Tensor

from seqline_plugins.architecture import Kind
from seqline_plugins.sources import DataSource
from seqline_plugins.task import Batch, Example, Metric, Task
from seqline_tasks.translation.config import Config
from seqline_tasks.translation.encoding import EncodedPairs, PairEncoding
from seqline_tasks.translation.head import PieceHead
from seqline_tasks.translation.inputs import PieceInputs
from seqline_tasks.translation.samples import show_translations
from seqline_tasks.translation.scoring import TranslationMetrics
from seqline_tasks.translation.sources import PairSource

__all__ = ["Translation"]


class Translation(Task):
    """Translates line by line; scored with sacreBLEU on plain text, beside copying the source."""

    Config = Config
    kinds = (Kind("sequence", "sequence"),)
    metrics = (
        Metric("bleu", needs_decoding=True),
        Metric("chrf", needs_decoding=True),
        Metric("perplexity", "lower"),
        Metric("length_ratio", needs_decoding=True),
    )
    primary = "bleu"
    decodes = True

    source = PairSource
    encoding = PairEncoding
    split = EncodedPairs
    inputs = PieceInputs
    head = PieceHead
    scoring = TranslationMetrics

    def parse(self, lines: Iterable[str], place: str) -> list[Example]:
        """Read plain text, a sentence a line; an empty line stays one."""
        return [{"source": line.strip(), "target": ""} for line in lines]

    def text_of(self, example: Example) -> str:
        """Return the source."""
        return str(example["source"])

    def render(
        self, examples: Sequence[Example], predicted: Sequence[Sequence[str]], data: DataSource
    ) -> str:
        """Return a translation a line; where several were asked for, so many lines for each."""
        most = max((len(answer) for answer in predicted), default=1)
        lines = (line for answer in predicted for line in (*answer, *[""] * (most - len(answer))))
        return "".join(f"{line}\n" for line in lines)

    def decode(self, encoding: Any, predicted: Tensor, batch: Batch) -> list[list[str]]:
        """Return a list of one text a row."""
        return self.answer(encoding, predicted, batch, ())

    def answer(
        self, encoding: Any, predicted: Tensor, batch: Batch, examples: Sequence[Example]
    ) -> list[list[str]]:
        """Return a list of one text a row, unknown pieces taken from its source."""
        sources = [example["source"] for example in examples]
        return [[text] for text in encoding.texts(predicted.tolist(), sources)]

    @staticmethod
    def refusal(config: Any, architecture: Any) -> str | None:
        """Refuse copying between two vocabularies."""
        if getattr(architecture, "copy", False) and not config.subwords.joint:
            return (
                "architecture.copy: found true, but a copied piece of the source must be one of "
                "the target too: set task.subwords.joint=true."
            )
        return None

    def samples(self, examples: Sequence[Example], predicted: Sequence[Sequence[str]]) -> list[str]:
        """Return a few translations beside source and reference."""
        return show_translations(examples, predicted)

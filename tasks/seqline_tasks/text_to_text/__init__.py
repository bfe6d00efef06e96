"""Text in, text out: what translation and summarization share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from jaxtyping import Float
from torch import Tensor

from seqline_plugins.architecture import Kind
from seqline_plugins.task.source import DataSource, Example
from seqline_plugins.task.split import Batch
from seqline_plugins.task.task import Task
from seqline_tasks.data.sentences import split_sentences
from seqline_tasks.pictures import draw_attention
from seqline_tasks.text_to_text.encoding import EncodedPairs, PairEncoding
from seqline_tasks.text_to_text.head import PieceHead
from seqline_tasks.text_to_text.inputs import PieceInputs
from seqline_tasks.text_to_text.samples import show_texts

__all__ = ["TextToText"]


class TextToText(Task):
    """A text a line in, a text a line out; examples have a `source` and a `target`."""

    kinds = (Kind("sequence", "sequence"),)
    decodes = True

    encoding = PairEncoding
    split = EncodedPairs
    inputs = PieceInputs
    head = PieceHead

    def parse(self, lines: Iterable[str], place: str) -> list[Example]:
        """Read plain text, a line each; an empty line stays one."""
        return [{"source": line.strip(), "target": ""} for line in lines]

    def text_of(self, example: Example) -> str:
        """Return the source."""
        return str(example["source"])

    def render(
        self, examples: Sequence[Example], predicted: Sequence[Sequence[str]], data: DataSource
    ) -> str:
        """Return a text a line; where several were asked for, so many lines for each."""
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

    def parts(self, example: Example) -> list[Example]:
        """Return the sentences of a text, each an example."""
        return [{**example, "source": one} for one in split_sentences(example["source"])]

    @staticmethod
    def refusal(config: Any, architecture: Any, loss: Mapping[str, Any], kind: Kind) -> str | None:
        """Refuse copying between two vocabularies."""
        if getattr(architecture, "copy", False) and not config.subwords.joint:
            return (
                "architecture.copy: found true, but a copied piece of the source must be one of "
                "the target too: set task.subwords.joint=true."
            )
        return None

    def draw_attention(
        self,
        encoding: Any,
        example: Example,
        written: Sequence[int],
        weights: Float[Tensor, "U S"],
        path: Path,
    ) -> None:
        """Draw source pieces across, written pieces down; at most so many of either."""
        source, target = encoding.shown_pieces(example, written)
        shown = weights[: len(target), : len(source)].cpu()
        draw_attention(shown, source, target, path)

    def samples(self, examples: Sequence[Example], predicted: Sequence[Sequence[str]]) -> list[str]:
        """Return a few texts beside source and reference."""
        return show_texts(examples, predicted)

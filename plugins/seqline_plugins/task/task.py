"""The task: its parts by name, and how a person reads and sees its examples."""

from __future__ import annotations

import json
from abc import ABC
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from jaxtyping import Float
from torch import Tensor

from seqline_plugins.architecture import Kind
from seqline_plugins.errors import UserError
from seqline_plugins.options import NoOptions
from seqline_plugins.task.encoding import Encoding
from seqline_plugins.task.generation import Generation
from seqline_plugins.task.head import Head
from seqline_plugins.task.inputs import Inputs
from seqline_plugins.task.metrics import Metric, Metrics
from seqline_plugins.task.rows import Rows
from seqline_plugins.task.source import DataSource, Example, Source
from seqline_plugins.task.split import Batch, EncodedSplit

SHOWN = 3
"""Examples that a person is shown."""


class Task(ABC):
    """What is learned; made from its checked `Config`.

    kinds      the architectures' kinds it fits
    metrics    the figures it reports, `primary` the one that chooses the best model
    decodes    whether it generates sequences (metrics such as BLEU need that)
    generation how it makes sequences from nothing or a beginning, for `seqline generate`
    online     is an option of its `Config` if it can be asked to work without look-ahead
    foretells  whether an aligned output is a later input: then nothing may look ahead

    Its parts, from `source` to `generation`, are named by the class; a task whose options choose
    between several sets them in its `__init__`.
    """

    Config: ClassVar[type] = NoOptions
    kinds: ClassVar[tuple[Kind, ...]]
    metrics: ClassVar[tuple[Metric, ...]]
    primary: ClassVar[str]
    decodes: ClassVar[bool] = False
    foretells: ClassVar[bool] = False

    source: type[Source]
    encoding: type[Encoding]
    split: type[EncodedSplit] = Rows
    """What the encoding's `encode` gives, to be opened again."""
    inputs: type[Inputs]
    head: type[Head]
    scoring: type[Metrics]
    generation: type[Generation] | None = None

    def __init__(self, config: Any = None) -> None:
        self.config = self.Config() if config is None else config

    def head_for(self, kind: Kind) -> type[Head]:
        """Return the head over an architecture of this kind, where the task fits several."""
        return self.head

    def parse(self, lines: Iterable[str], place: str) -> list[Example]:
        """Read what a user gives `seqline predict`, a file's lines or standard input's.

        By default each line is an example as JSON. Raises `UserError` naming the line that is not.
        """
        return [_object(line, f"{place}:{number}") for number, line in enumerate(lines, start=1)]

    def text_of(self, example: Example) -> str:
        """Return the line of plain text that `parse` reads as this example."""
        return json.dumps(example, ensure_ascii=False)

    def render(
        self, examples: Sequence[Example], predicted: Sequence[Sequence[Any]], data: DataSource
    ) -> str:
        """Return predictions as text, by default words apart by spaces, a line an example.

        `data` are as in training.
        """
        return "".join(" ".join(map(str, answer)) + "\n" for answer in predicted)

    def decode(self, encoding: Any, predicted: Tensor, batch: Batch) -> list[list[Any]]:
        """Return predictions in the task's own words, one list a row, padding left out.

        By default they are the predicted numbers themselves, one for each step of the row.
        """
        rows = zip(predicted.tolist(), batch["lengths"].tolist(), strict=True)
        return [row[:length] for row, length in rows]

    def answer(
        self, encoding: Any, predicted: Tensor, batch: Batch, examples: Sequence[Example]
    ) -> list[list[Any]]:
        """Return what `decode` does, for a task that also looks at the examples as they were read.

        So it can say what its vocabulary cannot, see `SearchTokens.unknown`.
        """
        return self.decode(encoding, predicted, batch)

    def together(self, examples: Sequence[Example]) -> list[Example]:
        """Return what the network is to read of examples that follow each other, in order.

        Each by itself unless a task joins some of them; `apart` then takes them apart again.
        """
        return list(examples)

    def apart(
        self, examples: Sequence[Example], read: Sequence[Example], answers: list[list[Any]]
    ) -> list[list[Any]]:
        """Return an answer to each example, given those to what `together` made of them."""
        return answers

    def parts(self, example: Example) -> list[Example]:
        """Return the parts of an example that `decode.split_sentences` predicts by themselves."""
        return [example]

    @staticmethod
    def refusal(config: Any, architecture: Any, loss: Mapping[str, Any], kind: Kind) -> str | None:
        """Return why the options of an architecture of this kind, and of the loss, do not fit the
        task's, if they do not.
        """
        return None

    def draw_attention(
        self,
        encoding: Any,
        example: Example,
        written: Sequence[int],
        weights: Float[Tensor, "U S"],
        path: Path,
    ) -> None:
        """Draw what each step of what was written looked at into a PNG file (attentive models)."""
        return

    def samples(self, examples: Sequence[Example], predicted: Sequence[Sequence[Any]]) -> list[str]:
        """Return a few examples as a person would want to see them, mistakes marked.

        By default the first three, as `text_of` gives them, and what was predicted.
        """
        pairs = list(zip(examples, predicted, strict=True))[:SHOWN]
        return [f"{self.text_of(one)}: {' '.join(map(str, answer))}" for one, answer in pairs]


def _object(line: str, place: str) -> Example:
    """Return the example that a line of JSON holds; raises `UserError` for another line."""
    try:
        found = json.loads(line)
    except ValueError as error:
        raise UserError(f"{place}: expected an example as JSON ({error}).") from error
    if not isinstance(found, dict):
        raise UserError(f'{place}: expected an object of JSON, as in {{"KEY": …}}.')
    return found

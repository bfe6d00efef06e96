"""What the tasks over running text are made of; each adds its data and what it counts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

from torch import Tensor

from seqline_plugins.architecture import Kind
from seqline_plugins.task.metrics import Metric
from seqline_plugins.task.source import DataSource, Example
from seqline_plugins.task.split import Batch
from seqline_plugins.task.task import Task
from seqline_tasks.language_model.config import CLASS, Config
from seqline_tasks.language_model.encoding import CharacterEncoding
from seqline_tasks.language_model.generation import TextGeneration
from seqline_tasks.language_model.head import CharacterHead
from seqline_tasks.language_model.inputs import CharacterInputs
from seqline_tasks.language_model.scoring import CharacterMetrics
from seqline_tasks.language_model.stream import CharacterStream

MOST = 2000
"""Characters shown of a text."""


class LanguageModel(Task):
    """Tells each character by those before it: all of them, or a window; or goes on from words."""

    Config = Config
    kinds = (
        Kind("sequence", "aligned"),
        Kind("sequence", "entity"),
        Kind("entity", "sequence"),
    )
    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("bits_per_character", "lower"),
        Metric("accuracy"),
    )
    primary = "bits_per_character"

    encoding = CharacterEncoding
    split = CharacterStream
    inputs = CharacterInputs
    head = CharacterHead
    scoring = CharacterMetrics
    generation = TextGeneration

    def parse(self, lines: Iterable[str], place: str) -> list[Example]:
        """Read beginnings, one a line."""
        return [{"text": line} for line in lines]

    def text_of(self, example: Example) -> str:
        """Return the first line that is not empty."""
        return next((line for line in str(example["text"]).splitlines() if line.strip()), "")

    def render(
        self, examples: Sequence[Example], predicted: Sequence[Sequence[str]], data: DataSource
    ) -> str:
        """Return each line with what goes on from it, up to its end; a class's line apart."""
        rest = ["".join(answer).partition("\n")[0] for answer in predicted]
        apart = ": " if self.config.entity == CLASS else ""
        pairs = zip(examples, rest, strict=True)
        return "".join(f"{one['text']}{apart}{end}\n" for one, end in pairs)

    @staticmethod
    def refusal(config: Any, architecture: Any, loss: Mapping[str, Any], kind: Kind) -> str | None:
        """Refuse a class where nothing is made from one."""
        if config.entity == CLASS and kind.input != "entity":
            return (
                "task.entity: found class, but the architecture reads a text; expected beginning, "
                "or architecture=one_to_many."
            )
        return None

    def decode(self, encoding: Any, predicted: Tensor, batch: Batch) -> list[list[str]]:
        """Return the likeliest character of every step."""
        return [list(encoding.text(row)) for row in predicted.flatten(1).cpu().numpy()]

    def samples(self, examples: Sequence[Example], predicted: Sequence[Sequence[str]]) -> list[str]:
        """Return texts that were written."""
        return ["".join(answer)[:MOST] for answer in predicted]

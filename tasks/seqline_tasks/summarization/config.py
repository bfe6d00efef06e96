"""Options of `task=summarization`."""

from __future__ import annotations

from dataclasses import dataclass, field

from seqline_plugins.options import option
from seqline_tasks.data.subwords import SubwordOptions
from seqline_tasks.text_to_text.config import TOO_LONG, Embedding, check_tied


def _one_vocabulary() -> SubwordOptions:
    return SubwordOptions(joint=True)


@dataclass
class Config:
    """Summarization."""

    subwords: SubwordOptions = field(default_factory=_one_vocabulary)
    embedding: Embedding = field(default_factory=Embedding)
    max_length: int = option(400, "pieces of a text, more are too long", low=1)
    too_long: str = option(
        "cut",
        "texts that are too long are cut, always; leave_out: training does without them; "
        "refuse: they are an error",
        choices=TOO_LONG,
    )

    def __post_init__(self) -> None:
        check_tied(self.embedding, self.subwords.joint)

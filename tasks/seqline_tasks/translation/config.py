"""Options of `task=translation`."""

from __future__ import annotations

from dataclasses import dataclass, field

from seqline_plugins.options import option
from seqline_tasks.data.subwords import SubwordOptions
from seqline_tasks.text_to_text.config import TOO_LONG, Embedding, check_tied


@dataclass
class Config:
    """Translation."""

    subwords: SubwordOptions = field(default_factory=SubwordOptions)
    embedding: Embedding = field(default_factory=Embedding)
    max_length: int = option(200, "pieces of a side, more are too long", low=1)
    too_long: str = option(
        "leave_out",
        "training pairs with a side that is too long are left out and counted; cut: sources are "
        "cut, always; refuse: they are an error",
        choices=TOO_LONG,
    )
    reverse: bool = option(False, "translate from the second text of each pair to the first")

    def __post_init__(self) -> None:
        check_tied(self.embedding, self.subwords.joint)

"""Options of `task=translation`."""

from __future__ import annotations

from dataclasses import dataclass, field

from seqline_plugins.options import option
from seqline_tasks.data.subwords import SubwordOptions

TIED = ("none", "target", "all")


@dataclass
class Embedding:
    """A vector a piece of text."""

    size: int = option(256, "numbers in a piece's vector", low=1)
    tied: str = option(
        "none",
        "vectors that are also the output's weights: none, the target's, or all with one "
        "vocabulary (subwords.joint)",
        choices=TIED,
    )


@dataclass
class Config:
    """Translation."""

    subwords: SubwordOptions = field(default_factory=SubwordOptions)
    embedding: Embedding = field(default_factory=Embedding)
    max_length: int = option(
        200, "training pairs with a side of more pieces are left out, and counted", low=1
    )
    reverse: bool = option(False, "translate from the second text of each pair to the first")

    def __post_init__(self) -> None:
        if self.embedding.tied == "all" and not self.subwords.joint:
            raise ValueError(
                "embedding.tied=all needs one vocabulary for both sides: subwords.joint=true"
            )

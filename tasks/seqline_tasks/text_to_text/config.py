"""Options that tasks from text to text share."""

from __future__ import annotations

from dataclasses import dataclass

from seqline_plugins.options import option

TIED = ("none", "target", "all")
TOO_LONG = ("leave_out", "cut", "refuse")


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


def check_tied(embedding: Embedding, joint: bool) -> None:
    """Raise `ValueError` for vectors tied over two vocabularies."""
    if embedding.tied == "all" and not joint:
        raise ValueError(
            "embedding.tied=all needs one vocabulary for both sides: subwords.joint=true"
        )

"""What the network reads of a text: the tagger's features of each word."""

from __future__ import annotations

from typing import Any

from seqline_tasks.classification.encoding import TextEncoding
from seqline_tasks.pos_tagging.inputs import WordInputs


class TextInputs(WordInputs):
    """The vectors of every word."""

    def __init__(self, config: Any, encoding: TextEncoding, kernel: str = "auto") -> None:
        super().__init__(config, encoding.words, kernel)

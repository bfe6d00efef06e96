"""Text, character by character: a language model."""

from __future__ import annotations

from seqline_tasks.language_model.task import LanguageModel
from seqline_tasks.text.source import DocstringSource

__all__ = ["Text"]


class Text(LanguageModel):
    """A language model of any text; built in are docstrings. Beside it stand counts of n-grams."""

    source = DocstringSource

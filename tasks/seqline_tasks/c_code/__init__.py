"""C code, character by character: a language model, or a window of characters → the next."""

from __future__ import annotations

from seqline_plugins.task.metrics import Metric
from seqline_tasks.c_code.generation import CodeGeneration
from seqline_tasks.c_code.source import CodeSource
from seqline_tasks.language_model.task import LanguageModel

__all__ = ["CCode"]


class CCode(LanguageModel):
    """A language model of C; what it writes is given to a C parser."""

    metrics = (
        *LanguageModel.metrics,
        Metric("parsed", needs_decoding=True),
        Metric("balanced", needs_decoding=True),
    )
    source = CodeSource
    generation = CodeGeneration

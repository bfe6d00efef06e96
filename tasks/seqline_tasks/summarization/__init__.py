"""Summarization: a text in, one that says the same in fewer words out."""

from __future__ import annotations

from seqline_plugins.task.metrics import Metric
from seqline_tasks.summarization.config import Config
from seqline_tasks.summarization.scoring import SummaryMetrics
from seqline_tasks.summarization.sources import SummarySource
from seqline_tasks.text_to_text import TextToText

__all__ = ["Summarization"]


class Summarization(TextToText):
    """Summarizes line by line; scored with ROUGE, beside the text's first sentence."""

    Config = Config
    metrics = (
        Metric("rouge_1", needs_decoding=True),
        Metric("rouge_2", needs_decoding=True),
        Metric("rouge_l", needs_decoding=True),
        Metric("perplexity", "lower"),
        Metric("length_ratio", needs_decoding=True),
        Metric("copied", needs_decoding=True),
        Metric("first_sentence", "lower", needs_decoding=True),
    )
    primary = "rouge_l"

    source = SummarySource
    scoring = SummaryMetrics

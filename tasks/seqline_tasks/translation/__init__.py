"""Translation: a sentence in one language in, its translation out."""

from __future__ import annotations

from seqline_plugins.task.metrics import Metric
from seqline_tasks.text_to_text import TextToText
from seqline_tasks.translation.config import Config
from seqline_tasks.translation.scoring import TranslationMetrics
from seqline_tasks.translation.sources import PairSource

__all__ = ["Translation"]


class Translation(TextToText):
    """Translates line by line; scored with sacreBLEU on plain text, beside copying the source."""

    Config = Config
    metrics = (
        Metric("bleu", needs_decoding=True),
        Metric("chrf", needs_decoding=True),
        Metric("perplexity", "lower"),
        Metric("length_ratio", needs_decoding=True),
        Metric("copied", needs_decoding=True),
    )
    primary = "bleu"

    source = PairSource
    scoring = TranslationMetrics

"""How good the translations are: BLEU and chrF on plain text, perplexity, length."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from torch import Tensor

from seqline_plugins.task import Batch, Example, Metrics
from seqline_tasks.translation.encoding import PairEncoding


class TranslationMetrics(Metrics):
    """sacreBLEU's figures (Post 2018) over the split, on text put together again."""

    encoding: PairEncoding

    def __init__(self, config: Any, encoding: PairEncoding) -> None:
        super().__init__(config, encoding)
        self._written: list[str] = []
        self._references: list[str] = []
        self._loss = 0.0
        self._targets = 0

    def update(self, predicted: Tensor, batch: Batch, examples: Sequence[Example] = ()) -> None:
        """Add translations as rows of pieces (B, U); the references are the examples' text."""
        sources = [example["source"] for example in examples]
        self._written += self.encoding.texts(predicted.tolist(), sources)
        self._references += [example["target"] for example in examples]

    def add_loss(self, loss: float, targets: int) -> None:
        """Add the summed loss of a batch, and of how many pieces it is."""
        self._loss, self._targets = self._loss + loss, self._targets + targets

    def compute(self) -> dict[str, float]:
        """Return bleu and chrf (0 to 100), perplexity a piece, length_ratio in characters."""
        figures = score_texts(self._written, self._references)
        if self._targets:
            figures["perplexity"] = math.exp(min(700.0, self._loss / self._targets))
        letters = sum(map(len, self._references))
        figures["length_ratio"] = sum(map(len, self._written)) / max(1, letters)
        return figures

    def signatures(self) -> dict[str, str]:
        """Return how sacreBLEU computed each figure, in its own words."""
        from sacrebleu.metrics import BLEU, CHRF

        found = {}
        for name, metric in (("bleu", BLEU()), ("chrf", CHRF())):
            metric.corpus_score([""], [[""]])
            found[name] = str(metric.get_signature())
        return found


def score_texts(written: Sequence[str], references: Sequence[str]) -> dict[str, float]:
    """Return the corpus BLEU and chrF of texts against one reference each."""
    from sacrebleu.metrics import BLEU, CHRF

    if not written:
        return {"bleu": 0.0, "chrf": 0.0}
    scored = {"bleu": BLEU(force=True), "chrf": CHRF()}
    return {
        name: float(metric.corpus_score(list(written), [list(references)]).score)
        for name, metric in scored.items()
    }

"""How good the summaries are: ROUGE against the best of their references."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.metadata import version
from typing import Any

from seqline_plugins.task.source import Example
from seqline_tasks.data.sentences import split_sentences
from seqline_tasks.text_to_text.scoring import TextMetrics, words_of

KINDS = {"rouge_1": "rouge1", "rouge_2": "rouge2", "rouge_l": "rougeL"}


class SummaryMetrics(TextMetrics):
    """ROUGE (Lin 2004): the F1 of words stemmed, the best over each text's references, averaged."""

    def score(self) -> dict[str, float]:
        """Return rouge_1, rouge_2 and rouge_l, 0 to 100; first_sentence, 0 to 1.

        first_sentence is the share of outputs that merely repeat the text's first sentence.
        """
        references = [example["references"] for example in self.examples]
        figures = score_summaries(self.written, references)
        pairs = zip(self.written, self.examples, strict=True)
        repeated = sum(words_of(one) == words_of(first_sentence(ex)) for one, ex in pairs)
        return {**figures, "first_sentence": repeated / max(1, len(self.written))}

    @classmethod
    def statistics(
        cls, name: str, examples: Sequence[Example], answers: Sequence[Sequence[Any]]
    ) -> list[list[float]] | None:
        """Return each summary's best F1, and one."""
        if name not in KINDS:
            return None
        pairs = zip(answers, examples, strict=True)
        texts = ((answer[0] if answer else "", example["references"]) for answer, example in pairs)
        return [[best_scores(text, references)[name], 1.0] for text, references in texts]

    @classmethod
    def figure(cls, name: str, sums: Sequence[float]) -> float:
        """Return the mean, 0 to 100."""
        return 100 * sums[0] / max(1.0, sums[1])

    def signatures(self) -> dict[str, str]:
        """Return how ROUGE was computed."""
        how = f"f1|stem:porter|refs:best|rouge-score:{version('rouge-score')}"
        return dict.fromkeys(KINDS, how)


def score_summaries(
    written: Sequence[str], references: Sequence[Sequence[str]]
) -> dict[str, float]:
    """Return the mean of each text's best F1 over its references, each kind by itself."""
    sums = dict.fromkeys(KINDS, 0.0)
    for text, those in zip(written, references, strict=True):
        for name, value in best_scores(text, those).items():
            sums[name] += value
    return {name: 100 * total / max(1, len(written)) for name, total in sums.items()}


def best_scores(text: str, references: Sequence[str]) -> dict[str, float]:
    """Return the best F1 of each kind, 0 to 1, of one text over its references."""
    scored = [_scorer().score(reference, text) for reference in references]
    return {
        name: max((one[kind].fmeasure for one in scored), default=0.0)
        for name, kind in KINDS.items()
    }


def first_sentence(example: dict[str, Any]) -> str:
    """Return the first sentence of an example's text, as it was given where that was cut."""
    given: str = example.get("first") or split_sentences(example["source"])[0]
    return given


@cache
def _scorer() -> Any:
    from rouge_score.rouge_scorer import RougeScorer

    return RougeScorer(list(KINDS.values()), use_stemmer=True)

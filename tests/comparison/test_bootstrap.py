"""Paired bootstrap: the figures of the runs themselves, and how sure their difference is."""

from __future__ import annotations

import random
from typing import Any

import pytest
from toy_translation import pairs

from seqline.comparison.bootstrap import paired_bootstrap
from seqline_plugins.errors import UserError
from seqline_tasks.summarization.scoring import SummaryMetrics, score_summaries
from seqline_tasks.translation.scoring import TranslationMetrics, score_texts


def spoilt(text: str, share: float, draw: random.Random) -> str:
    words = text.split()
    return " ".join("uh" if draw.random() < share else word for word in words)


def made(count: int = 80) -> tuple[list[dict[str, Any]], list[list[str]], list[list[str]]]:
    draw = random.Random(0)
    examples = [{"source": s, "target": t, "references": [t, s]} for s, t in pairs(count)]
    first, second = (
        [[spoilt(example["target"], share, draw)] for example in examples] for share in (0.5, 0.2)
    )
    return examples, first, second


def test_the_figures_are_sacrebleus_and_a_clear_difference_is_sure() -> None:
    examples, first, second = made()
    found = paired_bootstrap(TranslationMetrics, "bleu", examples, first, second, draws=200)
    targets = [example["target"] for example in examples]
    for value, answers in ((found.first, first), (found.second, second)):
        assert value == pytest.approx(score_texts([a[0] for a in answers], targets)["bleu"])
    assert 0 < found.low < found.difference < found.high
    assert found.p <= 0.01


def test_the_same_outputs_differ_in_nothing() -> None:
    examples, first, _ = made(30)
    found = paired_bootstrap(TranslationMetrics, "bleu", examples, first, first, draws=50)
    assert (found.difference, found.low, found.high, found.p) == (0.0, 0.0, 0.0, 1.0)


def test_a_small_difference_is_not_sure() -> None:
    examples, first, _ = made()
    other = [*first[:-1], [examples[-1]["target"]]]
    found = paired_bootstrap(TranslationMetrics, "bleu", examples, first, other, draws=200)
    assert found.difference > 0 and found.p > 0.05


def test_summaries_are_compared_by_their_best_reference() -> None:
    examples, first, second = made(40)
    found = paired_bootstrap(SummaryMetrics, "rouge_l", examples, first, second, draws=100)
    references = [example["references"] for example in examples]
    wanted = score_summaries([a[0] for a in second], references)["rouge_l"]
    assert found.second == pytest.approx(wanted)
    assert found.low > 0


def test_a_figure_that_is_no_sum_is_refused() -> None:
    examples, first, second = made(5)
    with pytest.raises(UserError, match="'perplexity' is no metric"):
        paired_bootstrap(TranslationMetrics, "perplexity", examples, first, second)

"""Which of two models is better on the same examples, by more than chance: a paired bootstrap.

Both models answer the same examples; examples are drawn with replacement, and the metric of each
model is computed anew over every draw (Koehn 2004). Metrics of a whole corpus, BLEU among them,
are compared as they are reported.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from seqline.exported import Predictor, load_export
from seqline.training.inference import Search, answers
from seqline_plugins.errors import UserError
from seqline_plugins.task import Example

DRAWS, LEAST = 1000, 100
"""Draws of the bootstrap, and how many there are at least where the time is up."""
SECONDS = 60.0
"""Time that the draws may take."""
CHANCE = 0.05
"""Share of draws in which the better one may not be better."""
AT_ONCE = 256
"""Examples scored in one call."""


@dataclass(frozen=True)
class Verdict:
    """What came of it: both figures, the draws, and in what share the new one was not better."""

    metric: str
    new: float
    old: float
    draws: int
    chance: float
    examples: int

    @property
    def better(self) -> bool:
        """Whether the new one is better by more than chance."""
        return self.chance <= CHANCE

    def __str__(self) -> str:
        """Return it in words."""
        return (
            f"{self.metric} {self.new:.4f} against the champion's {self.old:.4f} on the same "
            f"{self.examples} examples; not better in {100 * self.chance:.1f} % of {self.draws} "
            "draws"
        )


class Contestant:
    """A model and its answers to examples, of which any part can be scored."""

    def __init__(self, predictor: Predictor, examples: Sequence[Example], metric: str) -> None:
        self._of, self._examples, self._metric = predictor, examples, metric
        self._split = predictor.encoding.encode(examples)
        self._said: list[Tensor] = [torch.empty(0)] * len(examples)
        task, search = predictor.task, None
        if task.decodes:
            search = Search(predictor.config["decode"], predictor.encoding.search_tokens)
        for found in answers(predictor.model, self._split, predictor.device, search):
            for row, said in zip(found.rows, found.predicted, strict=True):
                self._said[row] = said
        self._losses: list[tuple[float, int]] | None = None
        if metric not in self._compute(range(min(len(examples), AT_ONCE))):
            self._losses = self._row_losses(search)

    def score(self, rows: Sequence[int]) -> float:
        """Return the metric over the chosen examples, some of them perhaps several times."""
        return float(self._compute(rows)[self._metric])

    def _compute(self, rows: Sequence[int]) -> Mapping[str, float]:
        metrics = self._of.task.scoring(self._of.task.config, self._of.encoding)
        for start in range(0, len(rows), AT_ONCE):
            part = list(rows[start : start + AT_ONCE])
            batch = self._split.batch(part)
            metrics.update(
                _stacked([self._said[row] for row in part], batch, self._of.task.decodes),
                batch,
                [self._examples[row] for row in part],
            )
            if self._losses is not None:
                losses, counts = zip(*(self._losses[row] for row in part), strict=True)
                metrics.add_loss(float(sum(losses)), int(sum(counts)))
        return metrics.compute()

    def _row_losses(self, search: Search | None) -> list[tuple[float, int]]:
        found: list[tuple[float, int]] = []
        with torch.inference_mode():
            for row in range(len(self._examples)):
                batch = self._split.batch([row])
                hidden = self._of.model(batch)
                hidden = hidden[0] if isinstance(hidden, tuple) else hidden
                loss, count = self._of.model.loss(hidden, batch)
                found.append((float(loss), int(count)))
        return found


def compare(
    new: Path,
    old: Path,
    examples: Sequence[Example],
    metric: str,
    direction: str,
    *,
    seed: int = 0,
    most: int = DRAWS,
) -> Verdict:
    """Return the verdict over two exported models, after at most so many draws.

    Raises `UserError` for an export that cannot be used, and where the examples cannot be drawn
    from: fewer than two, or of a task whose test split is one running text.
    """
    if len(examples) < 2:
        raise UserError("its test data are no separate examples, of which some could be drawn.")
    pair = [Contestant(load_export(folder), examples, metric) for folder in (new, old)]
    everything = range(len(examples))
    figures = [one.score(everything) for one in pair]
    sign = 1.0 if direction == "higher" else -1.0
    generator = np.random.default_rng(seed)
    end, not_better, draws = time.monotonic() + SECONDS, 0, 0
    while draws < most and (draws < LEAST or time.monotonic() < end):
        rows = generator.integers(0, len(examples), len(examples)).tolist()
        first, second = (one.score(rows) for one in pair)
        not_better += sign * (first - second) <= 0
        draws += 1
    return Verdict(metric, figures[0], figures[1], draws, not_better / draws, len(examples))


def _stacked(said: Sequence[Tensor], batch: Mapping[str, Any], decodes: bool) -> Tensor:
    """Return answers of several lengths as one tensor, as long as the batch is for aligned ones.

    What a search wrote is lengthened by its last token, which ended it.
    """
    if said[0].dim() == 0:
        return torch.stack(list(said))
    longest = max(len(one) for one in said)
    if not decodes:
        longest = int(batch["lengths"].max())
    rows = []
    for one in said:
        short = longest - len(one)
        filled = torch.cat([one, one[-1:].expand(short, *one.shape[1:])]) if short > 0 else one
        rows.append(filled[:longest])
    return torch.stack(rows)

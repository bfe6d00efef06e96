"""Which of two models is better on the same examples, by more than chance.

Both models answer the same examples, and a paired bootstrap compares the answers
(`seqline.comparison.bootstrap`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from seqline.comparison.bootstrap import DRAWS, Paired, Rows, draw_pairs, sum_score
from seqline.exported import Predictor, load_export
from seqline.training.inference import Search, answers
from seqline_plugins.errors import UserError
from seqline_plugins.task.source import Example

SECONDS = 60.0
"""Time that the draws may take."""
CHANCE = 0.05
"""Share of draws in which the better one may not be better."""
AT_ONCE = 256
"""Examples scored in one call."""


@dataclass(frozen=True)
class Verdict:
    """What came of it: `paired` is the new one beside the old one, which came first."""

    paired: Paired
    direction: str

    @property
    def chance(self) -> float:
        """The share of draws in which the new one is not better."""
        return self.paired.below if self.direction == "higher" else self.paired.above

    @property
    def better(self) -> bool:
        """Whether the new one is better by more than chance."""
        return self.chance <= CHANCE

    def __str__(self) -> str:
        """Return it in words."""
        of = self.paired
        return (
            f"{of.metric} {of.second:.4f} against the champion's {of.first:.4f} on the same "
            f"{of.examples} examples; not better in {100 * self.chance:.1f} % of {of.draws} draws"
        )


class Contestant:
    """A model and its answers to examples, of which any part can be scored."""

    def __init__(self, predictor: Predictor, examples: Sequence[Example], metric: str) -> None:
        self._of, self._examples, self._metric = predictor, examples, metric
        self._split = predictor.encoding.encode(examples)
        self._said: list[Tensor] = [torch.empty(0)] * len(examples)
        answered: list[list[Any]] = [[] for _ in examples]
        task, search = predictor.task, None
        if task.decodes:
            search = Search(predictor.config["decode"], predictor.encoding.search_tokens)
        for found in answers(predictor.model, self._split, predictor.device, search):
            own = [examples[row] for row in found.rows]
            decoded = task.answer(predictor.encoding, found.predicted, found.batch, own)
            for row, said, answer in zip(found.rows, found.predicted, decoded, strict=True):
                self._said[row], answered[row] = said, answer
        self._sums = sum_score(task.scoring, metric, examples, answered)
        self._losses: list[tuple[float, int]] | None = None
        if self._sums is None and metric not in self._compute(range(min(len(examples), AT_ONCE))):
            self._losses = self._row_losses()

    def score(self, rows: Rows) -> float:
        """Return the metric over the chosen examples, some of them perhaps several times."""
        if self._sums is not None:
            return self._sums(rows)
        return float(self._compute(rows.tolist())[self._metric])

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

    def _row_losses(self) -> list[tuple[float, int]]:
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
    one, other = (Contestant(load_export(folder), examples, metric) for folder in (old, new))
    given = (metric, one.score, other.score, len(examples))
    return Verdict(draw_pairs(*given, draws=most, seed=seed, seconds=SECONDS), direction)


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

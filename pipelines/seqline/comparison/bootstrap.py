"""Whether one of two is better than the other by more than chance: the paired bootstrap.

The test split is drawn again and again, with replacement, and both are scored on the same draw
(Koehn 2004): two runs by what they wrote, two models by what they answer (`seqline.contest`).
Metrics of a whole corpus, BLEU among them, are compared as they are reported.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from seqline.exported import MARK
from seqline.home import Home
from seqline.stages.folder import read_json, stage_folder
from seqline.stages.prepare import raw_examples
from seqline_plugins.build import build_task
from seqline_plugins.errors import UserError
from seqline_plugins.task.metrics import Metrics
from seqline_plugins.task.source import Example

DRAWS, LEAST = 1000, 100
"""Draws of a bootstrap, and how many there are at least where its time is up."""
Rows = npt.NDArray[np.int64]
Score = Callable[[Rows], float]
"""Gives the metric over the chosen examples, some of them several times."""


@dataclass(frozen=True)
class Paired:
    """What two are worth on the same examples.

    first, second  the metric over all examples
    low, high      the 95 % interval of `difference`, second − first, over the draws
    above, below   shares of the draws in which it is ≥ 0 and ≤ 0
    """

    metric: str
    first: float
    second: float
    low: float
    high: float
    above: float
    below: float
    examples: int
    draws: int

    @property
    def difference(self) -> float:
        """The second figure less the first."""
        return self.second - self.first

    @property
    def p(self) -> float:
        """The chance of a difference so far from none where there is none, both sides counted."""
        return min(1.0, 2 * max(min(self.above, self.below), 1 / self.draws))


@dataclass(frozen=True)
class Outputs:
    """What a run wrote of each example of its test split."""

    config: dict[str, Any]
    examples: Sequence[Example]
    answers: Sequence[list[Any]]


def compare_runs(
    home: Home, first: Path, second: Path, *, metric: str | None = None, draws: int = DRAWS
) -> Paired:
    """Return the paired bootstrap of two runs, named by the folders of their exported models.

    `metric` is the first run's own primary one if not given. Raises `UserError` for runs of
    different test splits, outputs that are gone, and metrics that are no sums over examples.
    """
    one, other = (stored_outputs(home, folder) for folder in (first, second))
    if one.examples != other.examples:
        raise UserError(f"{first} and {second} were not scored on the same test examples.")
    task = build_task(one.config["task"])
    name = metric or one.config["metrics"]["primary"] or task.primary
    return paired_bootstrap(
        task.scoring, name, one.examples, one.answers, other.answers, draws=draws
    )


def stored_outputs(home: Home, export: Path) -> Outputs:
    """Return what the run that left an exported model wrote of its test split.

    Raises `UserError` where that was freed (`seqline clean`) or is not of this home.
    """
    mark = read_json(export / MARK)
    folders = {name: stage_folder(home, name, digest) for name, digest in mark["digests"].items()}
    gone = [name for name in ("prepare", "evaluate") if not folders[name].is_dir()]
    if gone:
        raise UserError(f"{export}: its {gone[0]} stage is no longer in {home.stages}.")
    lines = (folders["evaluate"] / "predictions.jsonl").read_text(encoding="utf-8").splitlines()
    answers = [json.loads(line) for line in lines]
    return Outputs(
        read_json(export / "config.json"), raw_examples(folders["prepare"], "test"), answers
    )


def paired_bootstrap(
    metrics: type[Metrics],
    name: str,
    examples: Sequence[Example],
    first: Sequence[list[Any]],
    second: Sequence[list[Any]],
    *,
    draws: int = DRAWS,
    seed: int = 0,
) -> Paired:
    """Return the difference of two runs' answers to the same examples, and how sure it is.

    Raises `UserError` for a metric that is not made of sums over examples.
    """
    scores = [sum_score(metrics, name, examples, answers) for answers in (first, second)]
    if scores[0] is None or scores[1] is None:
        raise UserError(f"'{name}' is no metric whose parts add up over the examples.")
    return draw_pairs(name, scores[0], scores[1], len(examples), draws=draws, seed=seed)


def sum_score(
    metrics: type[Metrics], name: str, examples: Sequence[Example], answers: Sequence[list[Any]]
) -> Score | None:
    """Return the score of answers, None for a metric that is not made of sums over examples."""
    given = metrics.statistics(name, examples, answers)
    if given is None:
        return None
    parts = np.asarray(given, dtype=np.float64)

    def score(rows: Rows) -> float:
        times = np.bincount(rows, minlength=len(parts)).astype(np.float64)
        return metrics.figure(name, (times @ parts).tolist())

    return score


def draw_pairs(
    name: str,
    first: Score,
    second: Score,
    examples: int,
    *,
    draws: int = DRAWS,
    seed: int = 0,
    seconds: float | None = None,
) -> Paired:
    """Return the bootstrap of two scores over so many examples.

    Where drawing takes longer than `seconds` it ends early, with `LEAST` draws at least.
    """
    generator, N = np.random.default_rng(seed), examples
    everything = np.arange(N, dtype=np.int64)
    one, other = (score(everything) for score in (first, second))
    end = None if seconds is None else time.monotonic() + seconds
    found: list[float] = []
    while len(found) < draws:
        if end is not None and len(found) >= LEAST and time.monotonic() > end:
            break
        rows = generator.integers(N, size=N)
        found.append(second(rows) - first(rows))
    differences = np.array(found)
    low, high = np.percentile(differences, [2.5, 97.5])
    above, below = (float(side.mean()) for side in (differences >= 0, differences <= 0))
    return Paired(name, one, other, float(low), float(high), above, below, N, len(found))

"""Whether one run is better than another by more than chance: paired bootstrap of stored outputs.

The test split is drawn again and again, with replacement, and both runs are scored on the same draw
(Koehn 2004).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from seqline.exported import MARK
from seqline.home import Home
from seqline.stages.folder import read_json, stage_folder
from seqline.stages.prepare import raw_examples
from seqline_plugins.build import build_task
from seqline_plugins.errors import UserError
from seqline_plugins.task import Example, Metrics


@dataclass(frozen=True)
class Paired:
    """What two runs are worth on the same examples.

    `difference` is second − first, `low` to `high` its 95 % interval over the draws, `p` the chance
    of a difference so far from none where there is none, both sides counted.
    """

    metric: str
    first: float
    second: float
    low: float
    high: float
    p: float
    examples: int
    draws: int

    @property
    def difference(self) -> float:
        """The second run's figure less the first's."""
        return self.second - self.first


@dataclass(frozen=True)
class Outputs:
    """What a run wrote of each example of its test split."""

    config: dict[str, Any]
    examples: Sequence[Example]
    answers: Sequence[list[Any]]


def compare_runs(
    home: Home, first: Path, second: Path, *, metric: str | None = None, draws: int = 1000
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
    draws: int = 1000,
    seed: int = 0,
) -> Paired:
    """Return the difference of two runs' answers to the same examples, and how sure it is.

    Raises `UserError` for a metric that is not made of sums over examples.
    """
    given = [metrics.statistics(name, examples, answers) for answers in (first, second)]
    if given[0] is None or given[1] is None:
        raise UserError(f"'{name}' is no metric whose parts add up over the examples.")
    one, other = (np.asarray(rows, dtype=np.float64) for rows in given)
    draw, N = np.random.default_rng(seed), len(examples)
    whole, again = (metrics.figure(name, rows.sum(axis=0).tolist()) for rows in (one, other))
    differences = np.empty(draws)
    for number in range(draws):
        times = np.bincount(draw.integers(N, size=N), minlength=N).astype(np.float64)
        values = [metrics.figure(name, (times @ rows).tolist()) for rows in (one, other)]
        differences[number] = values[1] - values[0]
    low, high = np.percentile(differences, [2.5, 97.5])
    against = min(float((differences <= 0).mean()), float((differences >= 0).mean()))
    p = min(1.0, 2 * max(against, 1 / draws))
    return Paired(name, whole, again, float(low), float(high), p, N, draws)

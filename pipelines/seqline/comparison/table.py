"""Runs that differ in their seed only become one row, with a mean and a 95 % interval."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from seqline.comparison.runs import BASELINE, PRIMARY, FinishedRun

SEED = "trainer.seed"
ALIKE = ("tracking.", "runner.")
"""Sections that do not tell one model from another; `NOT_TOLD` are keys of others."""
NOT_TOLD = (SEED, "trainer.checkpoint_minutes", "trainer.threads")
NAMED = ("task.name", "architecture.name", "cell.name")
CELL = "cell"
DATA = "data_digest"


@dataclass(frozen=True)
class Row:
    """One model over its seeds.

    settings    what else tells it from the other rows of its task, architecture and cell
    interval    half of the 95 % interval of the mean, None of one seed
    baseline    the mean of the trivial baseline, None where the task has none
    minutes     of training; `tokens_per_second` while training, padding not counted
    best        whether it is the best of its task and metric
    """

    task: str
    architecture: str
    cell: str
    settings: str
    seeds: int
    metric: str
    direction: str
    primary: float
    interval: float | None
    baseline: float | None
    parameters: float
    tokens_per_second: float
    minutes: float
    runs: tuple[str, ...]
    best: bool = False


def tabulate(runs: Iterable[FinishedRun]) -> list[Row]:
    """Return the rows, those of a task together, the best first.

    Of two runs of one model and seed the newer one counts.
    """
    groups: dict[tuple[tuple[str, str], ...], dict[str, FinishedRun]] = {}
    for run in sorted(runs, key=lambda one: one.ended_ms):
        groups.setdefault(_model(run), {})[run.parameters.get(SEED, run.run_id)] = run
    settings = _settings(list(groups))
    rows = [
        _row(list(seeds.values()), said)
        for (seeds, said) in zip(groups.values(), settings, strict=True)
    ]
    rows.sort(key=lambda row: (row.task, row.metric, _rank(row)))
    best: dict[tuple[str, str], Row] = {}
    for row in rows:
        best.setdefault((row.task, row.metric), row)
    alone = {id(row) for key, row in best.items() if _others(rows, key)}
    return [Row(**{**row.__dict__, "best": id(row) in alone}) for row in rows]


def _others(rows: Sequence[Row], key: tuple[str, str]) -> bool:
    return sum((row.task, row.metric) == key for row in rows) > 1


def mean_interval(values: Sequence[float]) -> tuple[float, float | None]:
    """Return the mean and half of its 95 % interval by Student's t; None of one value."""
    mean = statistics.fmean(values)
    if len(values) < 2:
        return mean, None
    from scipy.special import stdtrit

    spread = statistics.stdev(values) / math.sqrt(len(values))
    return mean, float(stdtrit(len(values) - 1, 0.975)) * spread


def _model(run: FinishedRun) -> tuple[tuple[str, str], ...]:
    told = {
        key: value
        for key, value in run.parameters.items()
        if key not in NOT_TOLD and not key.startswith(ALIKE)
    }
    told["data"] = run.tags.get(DATA, "")[:8]
    told["metric"] = run.tags.get("primary_metric", "")
    return tuple(sorted(told.items()))


def _settings(models: Sequence[tuple[tuple[str, str], ...]]) -> list[str]:
    """Return for each model what tells it from the others of its task.

    A plugin's options are compared among models that have that plugin in that place. Nothing is
    said of a cell that follows the top level's, nor of a value that is None.
    """
    plain = [_told(dict(model)) for model in models]
    values: dict[tuple[str, ...], set[str | None]] = {}
    for key in {key for model in plain for key in model} - set(NAMED):
        for model in plain:
            values.setdefault(_rivals(model, key), set()).add(model.get(key))
    return [
        ", ".join(
            f"{_short(key)} {model[key]}"
            for key in sorted(model)
            if key not in NAMED and model[key] != "None" and len(values[_rivals(model, key)]) > 1
        )
        for model in plain
    ]


def _short(key: str) -> str:
    """Return the last word of a key, all of a slot's place: "lr", "architecture.cell"."""
    return key.removesuffix(".name") if key.endswith(".name") else key.rpartition(".")[2]


def _told(model: dict[str, str]) -> dict[str, str]:
    """Return a model without the cells that are those of the top level."""
    cells = {key.rpartition(f".{CELL}.")[0] for key in model if f".{CELL}." in key} - {""}
    own = _under(model, CELL)
    alike = [f"{place}.{CELL}" for place in cells if _under(model, f"{place}.{CELL}") == own]
    return {k: v for k, v in model.items() if not k.startswith(tuple(f"{one}." for one in alike))}


def _under(model: dict[str, str], place: str) -> dict[str, str]:
    start = f"{place}."
    return {key.removeprefix(start): v for key, v in model.items() if key.startswith(start)}


def _rivals(model: dict[str, str], key: str) -> tuple[str, ...]:
    """Return a key with what two models must share for it to tell them apart."""
    place = key.rpartition(".")[0]
    plugin = "" if key.endswith(".name") else model.get(f"{place}.name", "")
    return key, model.get("task.name", ""), plugin


def _row(runs: Sequence[FinishedRun], settings: str) -> Row:
    first = runs[0]
    mean, half = mean_interval([run.metrics[PRIMARY] for run in runs])
    beside = [run.metrics[BASELINE] for run in runs if BASELINE in run.metrics]

    def middle(key: str) -> float:
        values = [run.metrics[key] for run in runs if key in run.metrics]
        return statistics.fmean(values) if values else math.nan

    task, architecture, cell = (
        str(first.value(kind) or "") for kind in ("task", "architecture", "cell")
    )
    return Row(
        task=task,
        architecture=architecture,
        cell=cell,
        settings=settings,
        seeds=len(runs),
        metric=first.tags.get("primary_metric", "primary"),
        direction=first.tags.get("primary_direction", "higher"),
        primary=mean,
        interval=half,
        baseline=statistics.fmean(beside) if beside else None,
        parameters=middle("model/parameters"),
        tokens_per_second=middle("throughput/tokens_per_second"),
        minutes=middle("train/minutes"),
        runs=tuple(run.run_id for run in runs),
    )


def _rank(row: Row) -> float:
    return -row.primary if row.direction == "higher" else row.primary

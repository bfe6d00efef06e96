"""Finished runs as the tracking store has them, and filters over them."""

from __future__ import annotations

import fnmatch
import operator
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from seqline_plugins.errors import UserError, nearest

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

AT_ONCE = 1000
PRIMARY, BASELINE = "test/primary", "test/baseline"
FILTER = re.compile(r"([^<>=!]+)(<=|>=|!=|=|<|>)(.*)", re.DOTALL)
NUMBERS: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
SHORT = ("task", "architecture", "cell")
"""Keys that name a plugin: `cell=lstm` is `cell.name=lstm`."""


@dataclass(frozen=True)
class FinishedRun:
    """A run that has its figures; parameters, metrics and tags under MLflow's names."""

    run_id: str
    name: str
    ended_ms: int
    parameters: dict[str, str]
    metrics: dict[str, float]
    tags: dict[str, str]

    def value(self, key: str) -> str | float | None:
        """Return what a filter's key stands for: a parameter, a metric, a tag, name or run."""
        if key in SHORT:
            return self.parameters.get(f"{key}.name", self.tags.get(key))
        for values in (self.parameters, self.metrics, self.tags):
            if key in values:
                return values[key]
        return {"name": self.name, "run": self.run_id}.get(key)

    @property
    def keys(self) -> set[str]:
        """Every key that a filter may name."""
        own = {key for key in self.tags if not key.startswith("mlflow.")}
        return {*SHORT, *self.parameters, *self.metrics, *own, "name", "run"}


def read_runs(client: MlflowClient, where: str = "") -> list[FinishedRun]:
    """Return every run of the store that has finished with a figure on the test split.

    `where` is a filter in MLflow's language, by which the store itself leaves runs out.
    """
    finished = "attributes.status = 'FINISHED'" + (f" and {where}" if where else "")
    experiments = [one.experiment_id for one in _pages(client.search_experiments)]
    if not experiments:
        return []

    def search(max_results: int, page_token: str | None) -> Any:
        return client.search_runs(
            experiments, finished, max_results=max_results, page_token=page_token
        )

    found = []
    for run in _pages(search):
        if PRIMARY in run.data.metrics:
            found.append(
                FinishedRun(
                    run.info.run_id,
                    run.info.run_name or "",
                    run.info.end_time or 0,
                    run.data.params,
                    run.data.metrics,
                    run.data.tags,
                )
            )
    return found


def _pages(search: Callable[..., Any]) -> Iterator[Any]:
    token = None
    while True:
        page = search(max_results=AT_ONCE, page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def select(runs: Sequence[FinishedRun], filters: Sequence[str]) -> list[FinishedRun]:
    """Return the runs that fit every filter: `cell=lstm,gru`, `trainer.lr<=0.01`, `name=*seed 1`.

    Raises `UserError` for what is no filter, an unknown key, and when nothing fits, naming the
    filters that are nearest.
    """
    known = set().union(*(run.keys for run in runs)) if runs else set()
    parsed = [_parse(text, known) for text in filters]
    kept = [run for run in runs if all(_fits(run, *one) for one in parsed)]
    if not kept and runs:
        raise UserError(_nothing(runs, filters, parsed))
    return kept


def _parse(text: str, known: set[str]) -> tuple[str, str, str]:
    found = FILTER.fullmatch(text)
    if found is None:
        raise UserError(
            f"{text}: expected a filter, KEY=VALUE, as in cell=lstm,gru or trainer.lr<=0.01 or "
            f"sweep=KEY.{nearest(text, known)}"
        )
    key, sign, value = (part.strip() for part in found.groups())
    if known and key not in known:
        last = [one for one in known if one.rpartition(".")[2] == key]
        near = f" Did you mean '{min(last)}'?" if last else nearest(key, known)
        raise UserError(f"{text}: no run has a '{key}'.{near}")
    if sign in NUMBERS and _number(value) is None:
        raise UserError(f"{text}: found '{value}' after {sign}, expected a number.")
    return key, sign, value


def _fits(run: FinishedRun, key: str, sign: str, wanted: str) -> bool:
    value = run.value(key)
    if sign in NUMBERS:
        number, bound = _number(value), _number(wanted)
        return number is not None and bound is not None and NUMBERS[sign](number, bound)
    fits = any(_same(value, one) for one in wanted.split(",")) or _same(value, wanted)
    return fits if sign == "=" else not fits


def _same(value: str | float | None, wanted: str) -> bool:
    if isinstance(value, float):
        return _number(wanted) == value
    return fnmatch.fnmatchcase(str(value), wanted.strip())


def _number(value: str | float | None) -> float | None:
    try:
        return float(value) if value is not None else None
    except ValueError:
        return None


def _nothing(
    runs: Sequence[FinishedRun], filters: Sequence[str], parsed: Sequence[tuple[str, str, str]]
) -> str:
    """Say that nothing fits, and of each filter that fits nothing what there is instead."""
    said = [f"none of {len(runs)} finished runs fits {' '.join(filters)}."]
    for text, (key, sign, wanted) in zip(filters, parsed, strict=True):
        if any(_fits(run, key, sign, wanted) for run in runs):
            continue
        values = sorted({str(value) for run in runs if (value := run.value(key)) is not None})
        shown = ", ".join(values[:8]) + (" …" if len(values) > 8 else "")
        near = nearest(wanted, values).replace("'", f"'{key}=", 1)
        said.append(f"{text} fits none by itself.{near} There is {key}: {shown}.")
    if len(said) == 1:
        alone = [
            f"{text} {sum(_fits(run, *one) for run in runs)}"
            for text, one in zip(filters, parsed, strict=True)
        ]
        said.append(f"Each by itself fits: {'; '.join(alone)}.")
    return " ".join(said)

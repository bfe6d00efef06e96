"""What a sweep varies: its axes in Hydra's grammar, and every combination of their values.

`cell=rnn,lstm` and `choice(…)` name values, `range(0,5)` counts, `glob(*)` takes what a group
offers; `interval(a,b)`, `tag(log, …)` for logarithmic, is drawn from by a search.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from hydra.core.override_parser.types import (
    Glob,
    IntervalSweep,
    Override,
    RangeSweep,
)
from hydra.errors import HydraException

from seqline.config.grammar import parse_sweep
from seqline.config.groups import choices_of
from seqline.sweep.settings import Settings
from seqline_plugins.errors import UserError
from seqline_plugins.options import build_config

SECTION = "sweep"
MANY = 1000
"""Combinations beyond which one is asked whether that is meant."""
FEW = 40
"""Characters of an axis's values that a sweep's name holds; of more their count is said."""
NUMBER = re.compile(r"-?\d*\.\d+(e-?\d+)?")


@dataclass(frozen=True)
class Interval:
    """Numbers that a search draws from, both ends included."""

    low: float
    high: float
    log: bool
    whole: bool

    def __str__(self) -> str:
        return f"{self.low:g} to {self.high:g}"


@dataclass(frozen=True)
class Axis:
    """One key and what it may be, as it stands in an override; one value where it is fixed.

    `step` is that of a range of numbers, which a search may take to be ordered.
    """

    key: str
    values: tuple[str, ...]
    interval: Interval | None = None
    step: float | None = None

    @property
    def varies(self) -> bool:
        """Whether the children differ in it."""
        return self.interval is not None or len(self.values) > 1

    def said(self, value: str) -> str:
        """Return a value for a child's name: "gru", "lr 0.01"."""
        bare = value.strip("\"'")
        if len(bare) > 8 and NUMBER.fullmatch(bare):  # as a search draws them
            bare = f"{float(bare):.4g}"
        return f"{self.short} {bare}" if "." in self.key else bare

    @property
    def short(self) -> str:
        """The last word of the key."""
        return self.key.rpartition(".")[2]

    @property
    def name(self) -> str:
        """What is varied: "cell (lstm, gru)", "lr (0.001 to 0.1)", "seed (20 values)"."""
        few = ", ".join(value.strip("\"'") for value in self.values)
        if self.interval is not None:
            few = str(self.interval)
        return f"{self.short} ({few if len(few) <= FEW else f'{len(self.values)} values'})"


@dataclass(frozen=True)
class Space:
    """The axes of a sweep, in the order given; children are numbered, the last axis fastest."""

    axes: tuple[Axis, ...]

    @cached_property
    def size(self) -> int:
        """How many combinations there are."""
        return math.prod(len(axis.values) for axis in self.axes)

    @property
    def varied(self) -> tuple[Axis, ...]:
        """The axes in which children differ."""
        return tuple(axis for axis in self.axes if axis.varies)

    @property
    def name(self) -> str:
        """What is varied: "cell (lstm, gru) × seed (0, 1, 2)"."""
        return " × ".join(axis.name for axis in self.varied)

    def values(self, number: int) -> dict[str, str]:
        """Return the value of every key for the child of a number."""
        chosen = {}
        for axis in reversed(self.axes):
            number, place = divmod(number, len(axis.values))
            chosen[axis.key] = axis.values[place]
        return dict(reversed(chosen.items()))

    def title(self, values: Mapping[str, str]) -> str:
        """Return what tells a child from the others: "gru, seed 1"."""
        return ", ".join(axis.said(values[axis.key]) for axis in self.varied) or "the only one"

    def corners(self) -> Iterator[dict[str, str]]:
        """Yield combinations in which every value of every axis stands once, few as they are."""
        first = {axis.key: axis.values[0] for axis in self.axes}
        yield first
        for axis in self.axes:
            for value in axis.values[1:]:
                yield {**first, axis.key: value}


def overrides_of(values: Mapping[str, str]) -> list[str]:
    """Return a combination as overrides."""
    return [f"{key}={value}" for key, value in values.items()]


def read_sweep(texts: Sequence[str], *, yes: bool = False) -> tuple[Space, Settings]:
    """Return what the overrides of `seqline sweep` vary, and its own settings.

    Raises `UserError` for what is no override, for an empty sweep, an unknown key of `sweep`,
    and for more than `MANY` combinations that were not confirmed with `yes`.
    """
    given: dict[str, Any] = {}
    axes: dict[str, Axis] = {}
    for override in parse_sweep(texts):
        place = override.get_key_element()
        section, _, key = place.partition(".")
        if section == SECTION:
            given[key] = _one_value(override)
            continue
        axes.pop(place, None)  # given twice, the last one counts, at its own place
        axes[place] = _axis(override, place)
    settings: Settings = build_config(Settings, given, SECTION)
    space = Space(tuple(axes.values()))
    _check_kinds(space, settings)
    if settings.search == "grid" and space.size > MANY and not yes:
        raise UserError(
            f"{_product(space)} combinations, each a run of its own. If that is meant, add --yes; "
            "sweep.search=optuna sweep.trials=50 tries the likeliest."
        )
    return space, settings


def _product(space: Space) -> str:
    """Return "3 × 500 = 1,500", of one axis "1,500"."""
    sizes = [str(len(axis.values)) for axis in space.varied]
    return f"{' × '.join(sizes)} = {space.size:,}" if len(sizes) > 1 else f"{space.size:,}"


def _check_kinds(space: Space, settings: Settings) -> None:
    """Raise `UserError` for a sweep that is empty, or draws without a search."""
    if not space.varied:
        raise UserError(
            "the sweep is empty: no key has several values. Give some, as in "
            "cell=rnn,lstm,gru trainer.seed=0,1,2; one run is `seqline run`."
        )
    drawn = [axis for axis in space.axes if axis.interval is not None]
    if drawn and settings.search == "grid":
        axis = drawn[0]
        raise UserError(
            f"{axis.key}: an interval has no end of values; name them, as in "
            f"{axis.key}=0.001,0.01, or have them drawn with sweep.search=optuna."
        )


def _one_value(override: Override) -> Any:
    if override.is_sweep_override():
        raise UserError(
            f"{override.get_key_element()}: found several values, expected one; the sweep's own "
            "keys are not varied."
        )
    value = override.value()
    return value if isinstance(value, int | float | str | bool | None) else str(value)


def _axis(override: Override, key: str) -> Axis:
    """Return what an override offers; raises `UserError` where that is nothing."""
    text = str(override.input_line).partition("=")[2]
    if not override.is_sweep_override():
        return Axis(key, (text,))
    sweep: Any = override._value  # Hydra has no other way to it
    if isinstance(sweep, IntervalSweep):
        return Axis(key, (), _interval(key, text, sweep))
    if isinstance(sweep, Glob):
        known = choices_of(override.key_or_group)
        values = sweep.filter(known)
        if not known:
            raise UserError(f"{key}: glob(…) is for groups, as in cell=glob(*); found {text}.")
        if not values:
            raise UserError(f"{key}: found {text}, which fits none of: {', '.join(known)}.")
        return Axis(key, tuple(values))
    try:
        values = [str(value) for value in override.sweep_string_iterator()]
    except (HydraException, ValueError) as error:
        raise UserError(f"{key}: found {text}, which is no range ({error}).") from error
    if not values:
        raise UserError(f"{key}: found {text}, which holds no value.")
    step = float(sweep.step) if isinstance(sweep, RangeSweep) else None
    return Axis(key, tuple(dict.fromkeys(values)), step=step)


def _interval(key: str, text: str, sweep: IntervalSweep) -> Interval:
    low, high, log = sweep.start, sweep.end, "log" in sweep.tags
    if low is None or high is None or low >= high or (log and low <= 0):
        raise UserError(f"{key}: found {text}, expected interval(LOW,HIGH) with LOW below HIGH.")
    return Interval(low, high, log, isinstance(low, int) and isinstance(high, int))

"""A plugin's options: a dataclass whose fields say their default, range and meaning.

    @dataclass
    class Config:
        hidden_size: int = option(256, "units of each layer", low=1)
        dropout: float = option(0.0, "share of units dropped between layers", low=0, high=0.99)
        nonlinearity: str = option("tanh", "f in a = f(z)", choices=("tanh", "relu"))

The type, the range and the choices are checked when the configuration is composed.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

from omegaconf import MISSING, OmegaConf
from omegaconf.errors import ConfigKeyError, OmegaConfBaseException

from seqline_plugins.errors import UserError, nearest

INHERIT = "inherit"


@dataclasses.dataclass
class NoOptions:
    """The configuration of a plugin that has nothing to choose."""


def option(
    default: Any = MISSING,
    help: str = "",  # noqa: A002  (the word every command line uses)
    *,
    low: float | None = None,
    high: float | None = None,
    above: float | None = None,
    choices: Sequence[str] | None = None,
) -> Any:
    """Declare one option of a `Config` dataclass.

    `low` and `high` are inclusive bounds, `above` an exclusive lower one; `choices` lists the
    words a string may be. A default of `None` makes the bounds apply to given values only.
    """
    limits = {"low": low, "high": high, "above": above, "choices": choices}
    metadata = {"help": help, **{name: bound for name, bound in limits.items() if bound is not None}}
    if isinstance(default, list | dict):
        return dataclasses.field(default_factory=lambda: type(default)(default), metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def slot(group: str = "cell", help: str = "the cell of this place") -> Any:  # noqa: A002
    """Declare a place that a plugin of another group fills: `cell@architecture.cell=gru`.

    Left alone it takes what the top level names (`cell=gru` fills every cell slot).
    """
    return dataclasses.field(
        default_factory=lambda: {"name": INHERIT}, metadata={"help": help, "slot": group}
    )


def slots(config: type) -> dict[str, str]:
    """Return {field: group} for every slot of a `Config`, nested ones as `outer.inner`."""
    found: dict[str, str] = {}
    for field in dataclasses.fields(config):
        if "slot" in field.metadata:
            found[field.name] = field.metadata["slot"]
        elif (inner := _nested(field)) is not None:
            found |= {f"{field.name}.{name}": group for name, group in slots(inner).items()}
    return found


def build_config(config: type, values: Mapping[str, Any], where: str) -> Any:
    """Make a checked instance of the dataclass `config` from plain values.

    Raises `UserError`, naming `where.key`, for an unknown key, a wrong type, a value out of range.
    """
    try:
        merged = OmegaConf.merge(OmegaConf.structured(config), dict(values))
        made = OmegaConf.to_object(merged)
    except ConfigKeyError as error:
        key = str(error.full_key or error.key)
        known = [field.name for field in dataclasses.fields(config)]
        raise UserError(
            f"{where}.{key}: there is no such option.{nearest(key.split('.')[-1], known)} "
            f"Options of {where}: {', '.join(known) or 'none'}."
        ) from error
    except OmegaConfBaseException as error:
        first = str(error).splitlines()[0]
        raise UserError(f"{where}.{error.full_key}: {first}") from error
    check_ranges(made, where)
    return made


def check_ranges(config: Any, where: str) -> None:
    """Raise `UserError` for the first value outside what its `option` declares."""
    for field in dataclasses.fields(config):
        value, place = getattr(config, field.name), f"{where}.{field.name}"
        if dataclasses.is_dataclass(value):
            check_ranges(value, place)
        elif value is not None:
            _check_value(value, field.metadata, place)


def _check_value(value: Any, limits: Mapping[str, Any], place: str) -> None:
    choices = limits.get("choices")
    if choices is not None and value not in choices:
        raise UserError(
            f"{place}: found '{value}', expected one of {', '.join(choices)}."
            f"{nearest(str(value), choices)}"
        )
    if isinstance(value, bool) or not isinstance(value, int | float):
        return
    if isinstance(value, float) and not math.isfinite(value):
        raise UserError(f"{place}: found {value}, expected a finite number.")
    low, high, above = limits.get("low"), limits.get("high"), limits.get("above")
    if (
        (low is not None and value < low)
        or (high is not None and value > high)
        or (above is not None and value <= above)
    ):
        raise UserError(f"{place}: found {value}, expected {describe_range(limits)}.")


def describe_range(limits: Mapping[str, Any]) -> str:
    """Say a range in words: "at least 1", "between 0 and 0.99", "more than 0"."""
    low, high, above = limits.get("low"), limits.get("high"), limits.get("above")
    if low is not None and high is not None:
        return f"between {low} and {high}"
    parts = [
        f"at least {low}" if low is not None else "",
        f"more than {above}" if above is not None else "",
        f"at most {high}" if high is not None else "",
    ]
    return " and ".join(part for part in parts if part) or "anything"


def _nested(field: dataclasses.Field[Any]) -> type | None:
    factory = field.default_factory
    if isinstance(factory, type) and dataclasses.is_dataclass(factory):
        return factory
    return None

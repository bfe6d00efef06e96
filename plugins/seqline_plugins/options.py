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
from collections.abc import Mapping, Sequence
from typing import Any, get_args, get_type_hints

from omegaconf import MISSING, OmegaConf
from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException

from seqline_plugins.errors import UserError, nearest
from seqline_plugins.ranges import expected, fits, spelled, spelled_short

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
    length: int | None = None,
) -> Any:
    """Declare one option of a `Config` dataclass.

    `low` and `high` are inclusive bounds, `above` an exclusive lower one; `choices` lists the
    words a string may be; `length` says how many values a list has, to each of which the rest
    applies. A default of `None` makes them apply to given values only.
    """
    limits = {"low": low, "high": high, "above": above, "choices": choices, "length": length}
    metadata = {
        "help": help,
        **{name: bound for name, bound in limits.items() if bound is not None},
    }
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
        inner: Any = field.default_factory
        if "slot" in field.metadata:
            found[field.name] = field.metadata["slot"]
        elif isinstance(inner, type) and dataclasses.is_dataclass(inner):
            found |= {f"{field.name}.{name}": group for name, group in slots(inner).items()}
    return found


def build_config(config: type, values: Mapping[str, Any], where: str, owner: str = "") -> Any:
    """Make a checked instance of the dataclass `config` from plain values.

    `where` is the place of the values, `owner` whose options they are (`cell=lstm`).
    Raises `UserError`, naming `where.key`, for an unknown key, a missing or mistyped value, a
    value out of range, and for what the dataclass itself refuses with a `ValueError`.
    """
    _check_keys(config, values, where, owner or where)
    try:
        merged = OmegaConf.merge(OmegaConf.structured(config), dict(values))
        made = OmegaConf.to_object(merged)
    except MissingMandatoryValue as error:
        place = f"{where}.{error.full_key}"
        raise UserError(f"{place}: needs a value, {_wanted(config, error.full_key)}.") from error
    except OmegaConfBaseException as error:
        raise UserError(_mistyped(config, values, where, error)) from error
    except ValueError as error:
        raise UserError(f"{where}: {error}") from error
    check_ranges(made, where)
    return made


def check_ranges(config: Any, where: str) -> None:
    """Raise `UserError` for the first value outside what its `option` declares."""
    hints = get_type_hints(type(config))
    for field in dataclasses.fields(config):
        value, place = getattr(config, field.name), f"{where}.{field.name}"
        if dataclasses.is_dataclass(value):
            check_ranges(value, place)
        elif value is not None and not fits(value, field.metadata):
            near = nearest(str(value), field.metadata.get("choices", ()))
            wanted = expected(hints[field.name], field.metadata)
            raise UserError(f"{place}: found {spelled_short(value)}, expected {wanted}.{near}")


def nested_options(hint: Any) -> type | None:
    """Return the dataclass that a field's type names, `Inner` or `Inner | None`, if it does."""
    for candidate in (hint, *get_args(hint)):
        if isinstance(candidate, type) and dataclasses.is_dataclass(candidate):
            return candidate
    return None


def _check_keys(config: type, values: Mapping[str, Any], where: str, owner: str) -> None:
    """Refuse the first key that is no option, in `config` or in an inner group of options."""
    fields = {field.name: field for field in dataclasses.fields(config)}
    hints = get_type_hints(config)
    for key, value in values.items():
        place = f"{where}.{key}"
        if key not in fields:
            listed = f" Options of {owner}: {', '.join(fields) or 'none'}."
            near = nearest(str(key), fields)
            raise UserError(f"{place}: {owner} has no such option.{near or listed}")
        inner, group = nested_options(hints[key]), fields[key].metadata.get("slot")
        if hints[key] is bool and isinstance(value, int) and not isinstance(value, bool):
            raise UserError(f"{place}: found {value}, expected true or false.")  # not 7 for true
        if isinstance(value, Mapping):
            if inner is not None:
                _check_keys(inner, value, place, place)
        elif group is not None:
            raise UserError(
                f"{place}: found {spelled(value)}, expected a choice of {group}: "
                f"{group}@{place}={value}"
            )
        elif inner is not None and value is not None:
            names = ", ".join(f"{place}.{field.name}" for field in dataclasses.fields(inner))
            raise UserError(f"{place}: found {spelled(value)}, but it is a group of keys: {names}.")


def _mistyped(
    config: type, values: Mapping[str, Any], where: str, error: OmegaConfBaseException
) -> str:
    """Say which value has the wrong type and what was expected there."""
    key = str(error.full_key or error.key or "")
    found: Any = values
    for part in key.split("[")[0].split("."):
        if not (isinstance(found, Mapping) and part in found):
            return f"{where}.{key}: {str(error).splitlines()[0]}"
        found = found[part]
    place = f"{where}.{key.split('[')[0]}"
    return f"{place}: found {spelled(found)}, expected {_wanted(config, key)}."


def _wanted(config: type, key: str | None) -> str:
    """Return in words what the option at a dotted key expects."""
    *outer, last = (key or "").split("[")[0].split(".")
    for part in outer:
        inner = nested_options(get_type_hints(config)[part])
        if inner is None:
            return "something else"
        config = inner
    metadata = {field.name: field.metadata for field in dataclasses.fields(config)}
    return expected(get_type_hints(config)[last], metadata[last])

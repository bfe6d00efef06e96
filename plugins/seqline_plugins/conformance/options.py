"""Checks of every kind of plugin: its help, and the options of its `Config`."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator
from dataclasses import Field
from typing import Any, TypeVar, get_type_hints

from torch import Tensor, nn

from seqline_plugins.conformance.subject import Subject
from seqline_plugins.conformance.verdict import Checks, NotApplicableError, WrongError
from seqline_plugins.errors import UserError
from seqline_plugins.options import NoOptions, nested_options
from seqline_plugins.recurrence import RecurrentStack

Net = TypeVar("Net", bound=nn.Module)
CHECKS = Checks()
READ_BY_SEQLINE = {"task": ("online",)}
"""Options that need no reader in the plugin: seqline asks for them itself."""


@CHECKS.add
def help_says_what_it_is(subject: Subject) -> None:
    """The class has a docstring of its own."""
    plugin = subject.plugin
    text = inspect.cleandoc(plugin.__dict__.get("__doc__") or "")
    if not text:
        raise WrongError(
            f"class {plugin.__name__} has no docstring; `seqline plugins show` prints it: say in a "
            "line what it is, with its equation and paper."
        )


@CHECKS.add
def every_option_is_documented(subject: Subject) -> None:
    """`Config` and each of its fields say what they are for."""
    config = config_of(subject)
    made_by_python = f"{config.__name__}("
    if (config.__doc__ or made_by_python).startswith(made_by_python):
        raise WrongError(f"{config.__name__} has no docstring: say whose options these are.")
    for place, field in fields_of(config):
        if not field.metadata.get("help"):
            raise WrongError(
                f"the option '{place}' says nothing about itself: give its meaning, as in "
                f'{field.name}: … = option(DEFAULT, "what it is").'
            )


@CHECKS.add
def every_whole_number_has_a_range(subject: Subject) -> None:
    """A whole number has a lowest value: sizes and counts of 0 or −1 are refused, not tried."""
    config = config_of(subject)
    for place, field in fields_of(config):
        bounds = {"low", "above", "choices"} & set(field.metadata)
        if field.type in ("int", int, "int | None") and not bounds:
            raise WrongError(
                f"the option '{place}' takes any whole number, −1 too: give the lowest that makes "
                f'sense, as in option({field.default!r}, "…", low=1).'
            )


@CHECKS.add
def defaults_keep_to_their_ranges(subject: Subject) -> None:
    """The options left alone are a configuration that seqline itself would take."""
    config_of(subject)
    try:
        subject.configured()
    except UserError as error:
        raise WrongError(
            f"its defaults are refused ({error}): mend the default or the range."
        ) from error


@CHECKS.add
def every_option_is_used(subject: Subject) -> None:
    """Each option is read somewhere in the plugin's own code."""
    config = config_of(subject)
    read, whole = _names_read(subject.plugin, config)
    if whole:
        return
    for place, field in fields_of(config):
        if place in READ_BY_SEQLINE.get(subject.kind, ()):
            continue
        if field.name not in read and not _holds_fields(config, place):
            raise WrongError(
                f"the option '{place}' is never read: use self.config.{place}, or remove it, since "
                "who sets it would believe that it does something."
            )


def config_of(subject: Subject) -> type[Any]:
    """Return the plugin's `Config`; raises `NotApplicableError` where it has no options."""
    config: type[Any] = subject.plugin.Config
    if config is NoOptions or not dataclasses.fields(config):
        raise NotApplicableError("it has no options")
    return config


def fields_of(config: type[Any], where: str = "") -> Iterator[tuple[str, Field[Any]]]:
    """Yield the dotted place and the field of every option that holds a value itself."""
    hints = get_type_hints(config)
    for field in dataclasses.fields(config):
        inner = nested_options(hints[field.name])
        if inner is None:
            yield f"{where}{field.name}", field
        else:
            yield from fields_of(inner, f"{where}{field.name}.")


def try_values(
    config: type[Any],
    values: Callable[[Field[Any]], Iterable[Any]],
    build: Callable[[dict[str, Any]], Net],
    read: Callable[[Net], Tensor],
) -> None:
    """Build and read a net with each value of each option that is no slot and in no group.

    Raises `WrongError` for outputs that are not finite; `build` may refuse by a `UserError`.
    """
    for place, field in fields_of(config):
        if "." in place or "slot" in field.metadata:
            continue
        for value in values(field):
            try:
                net = build({place: value})
            except UserError:
                continue  # refused, with a message
            if not bool(read(net).isfinite().all()):
                raise WrongError(f"{place}={value} gives outputs that are not finite; bound it.")


def _holds_fields(config: type[Any], place: str) -> bool:
    """Say whether the last part of a place is read by the class that declares it (a property)."""
    *outer, last = place.split(".")
    for part in outer:
        inner = nested_options(get_type_hints(config)[part])
        assert inner is not None
        config = inner
    owner = inspect.getmodule(config)
    source = inspect.getsource(owner) if owner is not None else ""
    return bool(outer) and any(
        isinstance(node, ast.Attribute) and node.attr == last
        for node in ast.walk(ast.parse(source))
    )


def _names_read(plugin: type[Any], config: type[Any]) -> tuple[set[str], bool]:
    """Return the attributes and texts that the plugin's code names, and whether it takes all."""
    read: set[str] = set()
    whole = False
    for source in _sources(plugin, config):
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
                read.add(node.attr)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                read.add(node.value)
            elif isinstance(node, ast.Name) and node.id in ("asdict", "vars"):
                whole = True
            if isinstance(node, ast.Attribute) and ast.unparse(node) == "RecurrentStack.of":
                read |= _usual_names()
    return read, whole


def _usual_names() -> set[str]:
    """Return the options that `RecurrentStack.of` reads for whoever builds by it."""
    source = textwrap.dedent(inspect.getsource(RecurrentStack.of))
    nodes = list(ast.walk(ast.parse(source)))
    named = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    texts = (node.value for node in nodes if isinstance(node, ast.Constant))
    return named | {text for text in texts if isinstance(text, str)}


def _sources(plugin: type[Any], config: type[Any]) -> Iterator[str]:
    """Yield the sources of the packages of the plugin and of its options, as far as loaded."""
    tops = {one.__module__.split(".")[0] for one in (plugin, config)}
    for name, module in list(sys.modules.items()):
        if name.split(".")[0] in tops and getattr(module, "__file__", None):
            try:
                yield inspect.getsource(module)
            except (OSError, TypeError):
                continue

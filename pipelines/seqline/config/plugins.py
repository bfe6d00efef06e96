"""Checking what a plugin was given, and filling its cell slots."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from seqline.config.nested import get, plain, put
from seqline_plugins.discovery import RESERVED, installed, load
from seqline_plugins.errors import PluginError, UserError
from seqline_plugins.options import INHERIT, build_config, slots


def resolve(kind: str, choice: Mapping[str, Any], where: str, top: Mapping[str, Any]) -> Any:
    """Return a plugin's choice with every option checked and every slot filled.

    `choice` is `{"name": …, option: …}`, `where` its place, `top` the whole configuration: a
    slot that inherits takes the top level's choice, with the options given at the slot on top.
    Raises `UserError` for a wrong option, `PluginError` for a plugin that cannot be used.
    """
    name = choice[RESERVED]
    config = load(kind, name).Config
    options = {key: value for key, value in choice.items() if key != RESERVED}
    _refuse_others_options(kind, name, config, options, where)
    made_config = build_config(config, options, where, f"{where}={name}")
    checked = {RESERVED: name, **plain(made_config)}
    for place, group in slots(config).items():
        given = get(checked, place)
        if given is None:
            continue
        full = f"{where}.{place}"
        put(checked, place, resolve(group, _filled(given, group, full, top), full, top))
    return checked


def _refuse_others_options(
    kind: str, name: str, config: type, options: Mapping[str, Any], where: str
) -> None:
    """Raise `UserError` for an option that another plugin of the kind has, naming that one."""
    own = [field.name for field in dataclasses.fields(config)]
    for key in options:
        if key in own:
            continue
        owners = [f"{kind}={other}" for other in installed(kind) if key in _options_of(kind, other)]
        if owners:
            listed = ", ".join(own) or "none"
            raise UserError(
                f"{where}.{key}: {where}={name} has no such option, {' and '.join(owners)} "
                f"{'has' if len(owners) == 1 else 'have'}. Options of {where}={name}: {listed}."
            )


def _options_of(kind: str, name: str) -> set[str]:
    try:
        return {field.name for field in dataclasses.fields(load(kind, name).Config)}
    except PluginError:
        return set()


def _filled(given: dict[str, Any], group: str, where: str, top: Mapping[str, Any]) -> Any:
    """Return a slot's choice; one that inherits is the top level's, with its own options."""
    if given.get(RESERVED) != INHERIT:
        return given
    if where.startswith(f"{group}."):
        raise PluginError(f"{where} would hold itself.", group=group, name=str(top[group]["name"]))
    own = {key: value for key, value in given.items() if key != RESERVED}
    return {**top[group], **own}


def made(kind: str, choice: Mapping[str, Any], where: str) -> tuple[type[Any], Any]:
    """Return the class of a resolved choice and its `Config` object."""
    plugin = load(kind, choice[RESERVED])
    options = {key: value for key, value in choice.items() if key != RESERVED}
    return plugin, build_config(plugin.Config, options, where)


def choose(choice: Any, where: str) -> Mapping[str, Any]:
    """Return a plugin's node; raises `UserError` when an override put something else there."""
    if not isinstance(choice, Mapping) or not isinstance(choice.get(RESERVED), str):
        raise UserError(f"{where}: found {choice!r}, expected a plugin, as in {where}=NAME.")
    return choice

"""From overrides to one plain, checked configuration."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any

from hydra import compose as hydra_compose
from hydra import initialize_config_module
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException, MissingConfigException
from omegaconf import OmegaConf
from omegaconf.errors import InterpolationKeyError, OmegaConfBaseException

from seqline.config import source
from seqline.config.checks import refuse_contradictions
from seqline.config.describe import nearest_section
from seqline.config.grammar import parse
from seqline.config.groups import check_choice, group_names
from seqline.config.nested import plain
from seqline.config.plugins import choose, resolve
from seqline.config.sections import SECTIONS
from seqline_plugins.discovery import GROUPS, RESERVED, load
from seqline_plugins.errors import SeqlineError, UserError, nearest
from seqline_plugins.options import build_config, slots

_ONE_AT_A_TIME = threading.Lock()
"""Hydra keeps its state in the process; two compositions at once would mix."""


def compose(overrides: Sequence[str] = ()) -> dict[str, Any]:
    """Return the configuration as nested mappings of strings, numbers, lists and None.

    `overrides` are the command line's: `cell=gru`, `trainer.lr=0.01`. Every key is checked, every
    cell slot filled. Raises `UserError` (one message that names the key) for what is wrong in it.
    """
    parsed = parse(overrides)
    lines = [line for override in parsed if (line := _checked_line(override)) is not None]
    return check(_tree(lines, parsed))


def check(tree: Mapping[str, Any]) -> dict[str, Any]:
    """Return a composed tree with every section and plugin checked and every slot filled."""
    known = [*reversed(GROUPS), *SECTIONS]
    for key in tree:
        if key == "sweep":
            raise UserError("sweep: these keys are those of `seqline sweep`, not of one run.")
        if key not in known:
            near = nearest(str(key), known) or nearest_section(str(key))
            raise UserError(f"{key}: there is no such key.{near} Known: {', '.join(known)}.")
    plugins = {kind: resolve(kind, choose(tree.get(kind), kind), kind, tree) for kind in GROUPS}
    checked: dict[str, Any] = dict(reversed(plugins.items()))
    for name, schema in SECTIONS.items():
        values = tree.get(name, {})  # an export of before may lack a section
        if not isinstance(values, Mapping):
            raise UserError(f"{name}: found {values!r}, expected keys, as in {name}.KEY=VALUE.")
        checked[name] = plain(build_config(schema, values, name))
    refuse_contradictions(checked)
    return checked


def _checked_line(override: Override) -> str | None:
    """Return an override for Hydra, None for one that says nothing.

    A key that is not there is let through: the sections' and plugins' own check finds it, for
    the command line and an experiment's file alike.
    """
    group, text, value = override.key_or_group, str(override.input_line), override.value()
    place = override.get_key_element()
    if group == "hydra" or group.startswith(("hydra.", "hydra/")):
        raise UserError(f"{place}: Hydra's own settings are no part of seqline's configuration.")
    if group in GROUPS and isinstance(value, dict):
        return f"++{text}"
    if group not in group_names():
        if override.package is not None:
            raise UserError(
                f"{place}: '{group}' is no group.{nearest(group, group_names())} "
                f"Groups: {', '.join(group_names())}."
            )
        kind = group.removesuffix(f".{RESERVED}")
        if kind != group and kind in GROUPS:
            raise UserError(f"{place}: the {kind} is chosen as {kind}={value}.")
        return f"++{text}"
    if isinstance(value, dict):
        return f"++{text}"
    if value is None and group == "experiment":
        return None
    word = text.split("=", 1)[1].strip("\"'") if value is not None else "null"
    check_choice(group, word, place)
    return f"{place}='{word}'"


def _tree(lines: list[str], parsed: Sequence[Override]) -> dict[str, Any]:
    """Let Hydra compose; its errors become ours."""
    try:
        return _composed(lines)
    except SeqlineError:
        raise
    except MissingConfigException as error:
        group, _, word = str(error.missing_cfg_file).partition("/")
        check_choice(group, word, group)
        raise UserError(f"the configuration {error.missing_cfg_file} is not there.") from error
    except (HydraException, OmegaConfBaseException, ValueError, AssertionError) as error:
        _refuse_unknown_slots(parsed)
        raise UserError(_in_one_line(error, parsed)) from error


def _composed(lines: list[str]) -> dict[str, Any]:
    with _ONE_AT_A_TIME:
        source.register()
        outer = GlobalHydra.instance().hydra
        GlobalHydra.instance().clear()
        try:
            with initialize_config_module("seqline_conf", job_name="seqline", version_base="1.3"):
                config = hydra_compose("config", overrides=lines)
        finally:
            GlobalHydra.instance().hydra = outer
    tree = OmegaConf.to_container(config, resolve=True)
    assert isinstance(tree, dict)
    return {str(key): value for key, value in tree.items()}


def _refuse_unknown_slots(parsed: Sequence[Override]) -> None:
    """Raise `UserError` for the first `group@place=…` whose place no selected plugin has."""
    placed = [override for override in parsed if override.package is not None]
    if not placed:
        return
    chosen = [
        _checked_line(override)
        for override in parsed
        if override.package is None and override.key_or_group in group_names()
    ]
    try:
        tree = _composed([line for line in chosen if line is not None])
    except (HydraException, OmegaConfBaseException):
        return  # the choices themselves do not compose; that is what is reported
    places = [
        f"{group}@{kind}.{place}"
        for kind in GROUPS
        for place, group in slots(load(kind, tree[kind][RESERVED]).Config).items()
    ]
    for override in placed:
        place = override.get_key_element()
        if place not in places:
            raise UserError(
                f"{place}: there is no such place.{nearest(place, places)} "
                f"Places: {', '.join(places) or 'none'}."
            )


def _in_one_line(error: Exception, parsed: Sequence[Override]) -> str:
    """Say what Hydra or OmegaConf says, after the override that it names."""
    if isinstance(error, InterpolationKeyError):
        return f"{error.full_key}: refers to a key that is not there: {str(error).splitlines()[0]}."
    cause = error.__cause__ or error
    said = " ".join(str(cause).split()) or type(cause).__name__
    for override in parsed:
        if override.input_line and override.input_line in f"{error} {said}":
            return f"{override.get_key_element()}: {override.input_line} does not fit here: {said}"
    return f"the configuration cannot be composed: {said}"

"""`seqline plugins show`: one plugin's options, and of a cell its equations and kernel."""

from __future__ import annotations

import contextlib
import dataclasses
import inspect
import json
import sys
import textwrap
from collections.abc import Sequence
from typing import Any

from seqline.cli.cell_page import Section, cell_sections
from seqline.config.describe import describe_plugin
from seqline.config.grammar import parse
from seqline.config.nested import get
from seqline_plugins.architecture import Kind
from seqline_plugins.discovery import GROUPS, find, installed, load, origin_of
from seqline_plugins.errors import UserError, nearest
from seqline_plugins.options import build_config
from seqline_plugins.ranges import spelled

WIDTH = 80


def show_plugin(
    name: str, overrides: Sequence[str] = (), *, code: bool = True, as_json: bool = False
) -> None:
    """Print what a plugin is, its options and, of a cell, what its equations become.

    `name` is a plugin's name, or `KIND=NAME` where several kinds have it; `overrides` set its
    options. A cell's code is left out where `code` is false.
    Raises `UserError` for a name that nothing or more than one kind has, and for an
    option that it does not have.
    """
    kind, name = identify(name)
    with contextlib.redirect_stdout(sys.stderr):  # a plugin may print when it is imported
        plugin = load(kind, name)
        options = configured(plugin, kind, name, overrides)
        config = build_config(plugin.Config, options, kind, f"{kind}={name}")
        described = _options(kind, name, config)
        sections = cell_sections(plugin, config) if kind == "cell" else _facts(kind, plugin)
    sections = [one for one in sections if code or one.key != "source"]
    entry = find(kind, name)
    distribution, version = origin_of(entry.dist)
    about = inspect.cleandoc(plugin.__doc__ or "").splitlines()
    if as_json:
        page = {"kind": kind, "name": name, "target": entry.value}
        origin = {"distribution": distribution, "version": version, "about": about}
        body = {"options": described, **{one.key: one.lines for one in sections}}
        print(json.dumps(page | origin | body, ensure_ascii=False))  # noqa: T201
        return
    shown = [f"{kind} {name}, from {distribution} {version}: {entry.value}", "", *about]
    for section in [Section("options", "Options", _written(described)), *sections]:
        indent = "" if section.key == "source" else "  "
        shown += ["", section.title, *(f"{indent}{line}".rstrip() for line in section.lines)]
    print("\n".join(shown))  # noqa: T201


def identify(word: str) -> tuple[str, str]:
    """Return the kind and the name that a word means.

    Raises `UserError` where nothing is called so, naming the nearest, or more than one kind is.
    """
    kind, equals, name = word.partition("=")
    if equals:
        if kind not in GROUPS:
            known = ", ".join(f"{one}={name}" for one in GROUPS)
            raise UserError(f"{word}: '{kind}' is no kind of plugin, expected one of {known}.")
        find(kind, name)
        return kind, name
    kinds = [kind for kind in GROUPS if word in installed(kind)]
    if len(kinds) == 1:
        return kinds[0], word
    if kinds:
        spellings = " or ".join(f"{kind}={word}" for kind in kinds)
        raise UserError(f"{word}: several kinds of plugin have this name; say {spellings}.")
    every = [name for kind in GROUPS for name in installed(kind)]
    raise UserError(
        f"{word}: there is no plugin of this name.{nearest(word, every)} "
        "`seqline plugins list` shows those there are."
    )


def configured(plugin: Any, kind: str, name: str, overrides: Sequence[str]) -> dict[str, Any]:
    """Return the options that the overrides give a plugin, found to be some of its `Config`."""
    values: dict[str, Any] = {}
    for override in parse(overrides):
        place = override.get_key_element()
        first, _, rest = place.partition(".")
        if first != kind or not rest:
            fields = [f"{kind}.{field.name}" for field in dataclasses.fields(plugin.Config)]
            near = nearest(f"{kind}.{place}", fields) or f" Options: {', '.join(fields) or 'none'}."
            raise UserError(f"{place}: no option of {kind}={name}.{near}")
        inner = values
        *outer, last = rest.split(".")
        for part in outer:
            inner = inner.setdefault(part, {})
        inner[last] = override.value()
    build_config(plugin.Config, values, kind, f"{kind}={name}")
    return values


def _options(kind: str, name: str, config: Any) -> list[dict[str, str]]:
    """Return every option: its key, value, default, meaning and range."""
    values = dataclasses.asdict(config)
    found = []
    for key in describe_plugin(kind, name):
        place = key.place.rpartition("@")[2].partition(".")[2]
        value = key.default if "@" in key.place else spelled(get(values, place)).strip("'")
        found.append(
            {
                "key": key.place,
                "value": value.replace(" ", "") if value.startswith("[") else value,
                "default": key.default,
                "help": key.help,
                "expected": key.expected,
            }
        )
    return found


def _written(options: list[dict[str, str]]) -> list[str]:
    lines = []
    for one in options:
        if "@" in one["key"]:
            lines.append(f"{one['key']}=NAME  (left alone: {one['default']})")
        else:
            changed = one["value"] != one["default"]
            default = f"  (default {one['default']})" if changed else ""
            lines.append(f"{one['key']}={one['value']}{default}")
        meaning = f"{one['help']} ({one['expected']})".strip()
        lines += textwrap.wrap(meaning, WIDTH - 8, initial_indent="    ", subsequent_indent="    ")
    return lines or ["none"]


def _facts(kind: str, plugin: Any) -> list[Section]:
    """Return what an architecture or a task declares about itself."""
    if kind == "architecture":
        declared = plugin.kind
        lines = [f"input: {declared.input}", f"output: {declared.output}"]
        return [Section("fits", "Reads and gives", lines)]
    fits = [f"{one.input} → {one.output}: {', '.join(_architectures(one))}" for one in plugin.kinds]
    metrics = [
        f"test/{metric.name}, {metric.direction} is better"
        + (" (the primary one)" if metric.name == plugin.primary else "")
        for metric in plugin.metrics
    ]
    return [
        Section("fits", "Architectures that it fits, by what they read and give", fits),
        Section("metrics", "Metrics", metrics),
    ]


def _architectures(kind: Kind) -> list[str]:
    """Return the installed architectures of a kind; what cannot be imported is left out."""
    found = []
    for name in sorted(installed("architecture")):
        with contextlib.suppress(UserError):
            if load("architecture", name).kind == kind:
                found.append(name)
    return found or ["none installed"]

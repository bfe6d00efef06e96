"""`seqline run --cfg`: the composed configuration as YAML, each key with its meaning."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from omegaconf import OmegaConf

from seqline.config.compose import compose
from seqline.config.describe import Key, describe, describe_plugin
from seqline_plugins.discovery import GROUPS, RESERVED


def show_configuration(overrides: Sequence[str], as_json: bool) -> None:
    """Print the composed configuration, as commented YAML or as JSON."""
    with contextlib.redirect_stdout(sys.stderr):  # a plugin may print when it is imported
        config = compose(overrides)
    text = json.dumps(config, ensure_ascii=False) if as_json else "\n".join(_commented(config))
    print(text)  # noqa: T201


def _commented(config: Mapping[str, Any]) -> Iterator[str]:
    """Give the lines of the YAML, each key followed by its meaning and range."""
    keys = describe()
    for kind in GROUPS:
        keys += describe_plugin(kind, config[kind][RESERVED])
    meanings = {key.place.rpartition("@")[2]: _meaning(key) for key in keys}
    place: list[str] = []
    for line in OmegaConf.to_yaml(OmegaConf.create(dict(config))).splitlines():
        name, colon, _ = line.strip().partition(":")
        depth = (len(line) - len(line.lstrip())) // 2
        if line.strip().startswith("- ") or not colon:
            yield line
            continue
        place = [*place[:depth], name]
        meaning = meanings.get(".".join(place))
        yield f"{line:<27} # {meaning}" if meaning else line


def _meaning(key: Key) -> str:
    return key.help if key.expected == "a value" else f"{key.help} ({key.expected})"

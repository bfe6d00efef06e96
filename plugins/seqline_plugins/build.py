"""Making a plugin's object from its place in the composed configuration.

A choice is a plain mapping, `{"name": "gru", "reset_after": true}`, as `--cfg` prints it. In a
program the name may be the class itself, or the class stand alone: `RecurrentStack(MyCell, …)`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seqline_plugins.architecture import Architecture
from seqline_plugins.cell import GatedCell, StepCell
from seqline_plugins.discovery import load
from seqline_plugins.options import build_config
from seqline_plugins.task.task import Task

Choice = Mapping[str, Any] | type[Any]


def configure(kind: str, choice: Choice) -> tuple[type[Any], Any]:
    """Return the plugin class that a choice names and its checked configuration."""
    if isinstance(choice, type):
        choice = {"name": choice}
    options = {key: value for key, value in choice.items() if key != "name"}
    name = choice["name"]
    plugin: type[Any] = name if isinstance(name, type) else load(kind, name)
    return plugin, build_config(plugin.Config, options, kind)


def build_cell(choice: Choice, input_size: int, hidden_size: int) -> GatedCell | StepCell:
    """Return a gated cell (a description), or a step cell (a module with its parameters)."""
    plugin, config = configure("cell", choice)
    if issubclass(plugin, GatedCell):
        return plugin(config)
    step_cell: StepCell = plugin(config, input_size, hidden_size)
    return step_cell


def build_architecture(
    choice: Choice, input_size: int, kernel: str = "auto", fed_size: int | None = None
) -> Architecture:
    """Return the architecture for features of `input_size`, its cells built by name.

    `fed_size` is for those whose output is a sequence of its own: the features fed back to it.
    """
    plugin, config = configure("architecture", choice)
    writes = plugin.kind.output == "sequence"
    fed = {"fed_size": fed_size} if writes and fed_size is not None else {}
    architecture: Architecture = plugin(config, input_size, kernel, **fed)
    return architecture


def build_task(choice: Choice) -> Task:
    """Return the task that a choice names."""
    plugin, config = configure("task", choice)
    task: Task = plugin(config)
    return task

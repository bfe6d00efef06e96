"""Which data a configuration names, told without reading them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seqline_plugins.build import build_task
from seqline_plugins.options import build_config
from seqline_plugins.task.source import DataSource


def data_fingerprint(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return what determines the data of a composed configuration.

    Raises `UserError` for data that are not there.
    """
    task = build_task(config["task"])
    return task.source(task.config).fingerprint(build_config(DataSource, config["data"], "data"))

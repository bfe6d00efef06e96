"""Where a task's data come from: built in, a public dataset, or the user's own files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from seqline_plugins.options import option


@dataclass
class DataSource:
    """The `data` section of the configuration; which keys count depends on `source`."""

    source: str = option("builtin", "where from", choices=("builtin", "hub", "files"))
    repo: str | None = option(None, "hub: the dataset, `owner/name`, or a local folder of parquet")
    subset: str | None = option(None, "hub: the dataset's configuration")
    revision: str | None = option(None, "hub: a branch, tag or commit")
    train: Any = option(None, "files: training data, a path or a glob")
    validation: Any = option(None, "files: validation data, a path or a glob")
    test: Any = option(None, "files: test data, a path or a glob")
    file: str | None = option(None, "files: one file that is split here")
    column: str | None = option(None, "the column to learn, where the format has several")
    split: Any = option(None, "shares or row counts of train, validation and test")
    fill: str | None = option(
        None, "files: what stands in gaps of a series", choices=("previous", "linear")
    )
    split_by: str = option("order", "how rows are dealt", choices=("order", "random"))
    seed: int = option(0, "governs splits and generated data", low=0)

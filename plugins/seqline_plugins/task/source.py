"""The source: where a task's data come from, and how its raw examples are read.

Built in, a public dataset, or the user's own files.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from seqline_plugins.errors import UserError
from seqline_plugins.options import option

Example = dict[str, Any]
"""One raw example as read from its source: plain lists, strings and numbers."""


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


class Source(ABC):
    """Reads a task's raw examples from any of the three kinds of source; made from the options."""

    def __init__(self, config: Any) -> None:
        self.config = config

    @abstractmethod
    def read(self, data: DataSource) -> Mapping[str, Sequence[Example]]:
        """Return the raw examples of `train`, `validation` and `test`.

        They may be read only as they are gone through, so that a corpus need not fit in memory.
        Raises `UserError` naming file and line for what cannot be read.
        """

    def fingerprint(self, data: DataSource) -> dict[str, Any]:
        """Return what determines the data without parsing it: file digests, package versions.

        Asked before anything else. As it is here it serves sources that draw or hold their data
        themselves; one that reads files or the hub names what it reads. Raises `UserError` for a
        source that is not there.
        """
        if data.source != "builtin":
            raise UserError(
                f"data={data.source}: this task has only data of its own, expected data=builtin."
            )
        return {"source": data.source, "seed": data.seed, "split": data.split}

    @abstractmethod
    def baseline(self, splits: Mapping[str, Sequence[Example]]) -> dict[str, float]:
        """Return trivial baselines on the test split, the task's primary metric among them."""

    def warnings(self, splits: Mapping[str, Sequence[Example]]) -> list[str]:
        """Return what a person should know about the data (a leak between splits)."""
        return []

"""A source that reads built-in data, files and the hub, each in a way of its own."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from seqline_plugins.task.source import DataSource, Example, Source
from seqline_tasks.data.hub import describe_hub

KEYS = ("train", "validation", "test", "file")
"""The options of `data=files` that name files."""


class CorpusSource(Source):
    """Reads by the kind of source that is asked for.

    default_hub   the repository and subset of `data=hub` where none is named
    """

    default_hub: ClassVar[tuple[str, str | None]]

    def read(self, data: DataSource) -> dict[str, Sequence[Example]]:
        """Return train, validation and test."""
        readers = {"builtin": self.read_builtin, "hub": self.read_hub, "files": self.read_files}
        return dict(readers[data.source](data))

    def fingerprint(self, data: DataSource) -> dict[str, Any]:
        """Return file digests, or the packages that hold the data and their versions."""
        rule: dict[str, Any] = {"split": data.split, "split_by": data.split_by, "seed": data.seed}
        rule |= {"source": data.source, "column": data.column}
        if data.source == "builtin":
            return rule | self.versions()
        if data.source == "hub":
            return rule | describe_hub(*self.hub_name(data), data.revision)
        return rule | {key: self.digests(data, key) for key in KEYS if getattr(data, key)}

    def hub_name(self, data: DataSource) -> tuple[str, str | None]:
        """Return the repository and subset that are read."""
        return (data.repo, data.subset) if data.repo else self.default_hub

    @abstractmethod
    def read_builtin(self, data: DataSource) -> Mapping[str, Sequence[Example]]:
        """Return the splits of the built-in data."""

    @abstractmethod
    def read_files(self, data: DataSource) -> Mapping[str, Sequence[Example]]:
        """Return the splits of files."""

    @abstractmethod
    def read_hub(self, data: DataSource) -> Mapping[str, Sequence[Example]]:
        """Return the splits of a public dataset."""

    @abstractmethod
    def versions(self) -> dict[str, str]:
        """Return the packages that hold the built-in data, and their versions."""

    @abstractmethod
    def digests(self, data: DataSource, key: str) -> list[Any]:
        """Return the digests of the files that one of `KEYS` names."""

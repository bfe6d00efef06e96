"""The metrics: the figures that a task reports."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from torch import Tensor

from seqline_plugins.task.source import Example
from seqline_plugins.task.split import Batch


@dataclass(frozen=True)
class Metric:
    """One figure: its name under `test/`, its direction, and whether it needs decoding."""

    name: str
    direction: Literal["higher", "lower"] = "higher"
    needs_decoding: bool = False


class Metrics(ABC):
    """Collects predictions over a split and gives the figures."""

    def __init__(self, config: Any, encoding: Any) -> None:
        self.config, self.encoding = config, encoding

    @abstractmethod
    def update(self, predicted: Tensor, batch: Batch, examples: Sequence[Example] = ()) -> None:
        """Add one batch of predictions; `examples` are its rows as they were read."""

    def add_loss(self, loss: float, targets: int) -> None:
        """Add the loss of one batch, in nats, summed over its targets."""
        return

    @abstractmethod
    def compute(self) -> dict[str, float]:
        """Return every declared metric by name."""

    def signatures(self) -> dict[str, str]:
        """Return for a figure how exactly it was computed, where that has a name."""
        return {}

    def pictures(self, folder: Path) -> list[Path]:
        """Draw what a person should see (a confusion matrix) and return the files."""
        return []

    @classmethod
    def statistics(
        cls, name: str, examples: Sequence[Example], answers: Sequence[Sequence[Any]]
    ) -> list[list[float]] | None:
        """Return of each example numbers whose sums `figure` makes into the metric of that name.

        The answers are as `Task.decode` gave them. None for a metric that is not made so; the
        others can be compared by bootstrap.
        """
        return None

    @classmethod
    def figure(cls, name: str, sums: Sequence[float]) -> float:
        """Return the metric that the sums of `statistics` over a split make."""
        raise NotImplementedError(f"{cls.__name__} makes no '{name}' of sums")

    def tables(self) -> dict[str, list[dict[str, Any]]]:
        """Return longer results by name, each a list of rows (a score per tag)."""
        return {}

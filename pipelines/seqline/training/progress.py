"""Where a training stands, how far it has to go, and what it has measured on the way."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass
class Point:
    """One line of the history: figures after `step` updates, at a time in milliseconds."""

    step: int
    epoch: float
    timestamp_ms: int
    metrics: dict[str, float]


@dataclass
class Progress:
    """Where the training stands; plain numbers, so that a checkpoint can hold them.

    epoch, position  the epoch under way and its batches that are done
    seconds          since the first update, validation included
    busy_seconds     the same without validation; `tokens` are those trained on meanwhile
    loss_sum, loss_count  since the last point of the history
    pieces           parts in which a batch is taken, more than one after memory ran out
    other_kernels    how recurrences were served otherwise after it went on than before
    """

    step: int = 0
    epoch: int = 0
    position: int = 0
    seconds: float = 0.0
    busy_seconds: float = 0.0
    tokens: int = 0
    loss_sum: float = 0.0
    loss_count: int = 0
    validated_at: float = 0.0
    validation: float | None = None
    best_score: float | None = None
    best_step: int = 0
    best_epoch: float = 0.0
    best_is_average: bool = False
    finished: bool = False
    pieces: int = 1
    other_kernels: list[str] = field(default_factory=list)
    history: list[Point] = field(default_factory=list)

    def epochs(self, batches: int) -> float:
        """Return the epochs done, with fractions; an epoch has `batches` batches."""
        return self.epoch + self.position / max(1, batches)

    def record(self, epochs: float, metrics: Mapping[str, float], timestamp_ms: int) -> Point:
        """Add figures, measured at a time in milliseconds, to the history."""
        point = Point(self.step, round(epochs, 4), timestamp_ms, dict(metrics))
        self.history.append(point)
        return point

    def share_done(self, trainer: Mapping[str, Any], batches: int) -> float:
        """Return how much of the training is done, 0 to 1, by the bound that is nearest."""
        shares = [0.0]
        if trainer["max_epochs"] is not None:
            shares.append(self.epochs(batches) / trainer["max_epochs"])
        if trainer["max_steps"] is not None:
            shares.append(self.step / trainer["max_steps"])
        if trainer["max_minutes"] is not None:
            shares.append(self.seconds / (60 * trainer["max_minutes"]))
        return max(shares)

    def out_of_patience(self, trainer: Mapping[str, Any]) -> bool:
        """Say whether the newest score, `patience` epochs after the best, is not better still."""
        patience = trainer["patience"]
        return patience is not None and self.validated_at - self.best_epoch >= patience - 1e-9

    def ended_early(self, trainer: Mapping[str, Any], batches: int) -> str:
        """Say what ended the training before its last epoch, nothing where that was reached."""
        epochs, wanted = self.epochs(batches), trainer["max_epochs"]
        if wanted is not None and epochs >= wanted - 1e-9:
            return ""
        by = f"trainer.patience={trainer['patience']}"
        for key, done in (("max_steps", self.step), ("max_minutes", self.seconds / 60)):
            if trainer[key] is not None and done >= trainer[key] * (1 - 1e-9):
                by = f"trainer.{key}={trainer[key]}"
        of = "" if wanted is None else f" of {wanted}"
        return f"{by} ended the training at epoch {epochs:.1f}{of}"

    def seconds_left(self, share: float) -> float | None:
        """Return the time left in seconds, None before it can be told."""
        if share <= 0 or not math.isfinite(share):
            return None
        return max(0.0, self.seconds * (1 - share) / share)

    def to_json(self) -> dict[str, Any]:
        """Return plain values for a checkpoint."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Progress:
        """Read back what `to_json` returned."""
        history = [Point(**point) for point in values["history"]]
        return cls(**{**values, "history": history})

"""Drawings in numbers: offsets in units of a usual one, the pen's states, the class.

Letters: B drawings, U steps: a drawing's points and its end.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from seqline_plugins.task.encoding import Encoding
from seqline_plugins.task.rows import Rows
from seqline_plugins.task.source import Example
from seqline_plugins.task.split import Batch
from seqline_tasks.heads.strokes import DOWN, END, UP

OTHER = "other"


@dataclass
class DrawingEncoding(Encoding):
    """What the training drawings tell.

    scale   of an offset: the root of its mean square, both axes together (Ha & Eck 2017)
    labels  the classes, in order; merged  the class that each training label went to
    length  points of a usual drawing; most_points  of one that is learned from
    """

    scale: float
    labels: list[str]
    merged: dict[str, str]
    length: int
    most_points: int

    @classmethod
    def build(cls, examples: Iterable[Example], config: Any) -> DrawingEncoding:
        """Learn scale and classes from the training drawings."""
        drawings = list(examples)
        counts = Counter(one["label"] for one in drawings)
        merge = _merged_ends if config.label == "strokes" else _merged_rare
        merged = merge(counts, config.min_count)
        labels = sorted(set(merged.values()), key=lambda label: (len(label), label))
        length = int(np.median([len(one["points"]) for one in drawings]))
        return cls(scale_of(drawings), labels, merged, length, config.most_points)

    def save(self, folder: Path) -> None:
        """Write `encoding.json`."""
        text = json.dumps(asdict(self), ensure_ascii=False)
        (folder / "encoding.json").write_text(text, encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> DrawingEncoding:
        """Read back what `save` wrote."""
        return cls(**json.loads((folder / "encoding.json").read_text(encoding="utf-8")))

    def describe(self) -> dict[str, int]:
        """Return how many classes there are."""
        return {"classes": len(self.labels)}

    def select(self, examples: Sequence[Example]) -> tuple[Sequence[Example], list[str]]:
        """Leave out the training drawings with too many points, saying how many."""
        kept = [one for one in examples if len(one["points"]) <= self.most_points]
        if not kept or len(kept) == len(examples):
            return examples, []
        return kept, [
            f"{len(examples) - len(kept):,} of {len(examples):,} training drawings have more than "
            f"{self.most_points} points and are left out (task.most_points)."
        ]

    def encode(self, examples: Sequence[Example]) -> EncodedDrawings:
        """Return drawings in numbers; a label that no training drawing had is its nearest class."""
        points = [np.asarray([*one["points"], [0, 0, END]], np.float64) for one in examples]
        pens = [np.where(rows[:, 2] == 1, UP, rows[:, 2]).astype(int) for rows in points]
        return EncodedDrawings(
            {
                "offsets": [rows[:, :2] / self.scale for rows in points],
                "pens": pens,
                "label": [self.class_of(one.get("label", "")) for one in examples],
            }
        )

    def class_of(self, label: str) -> int:
        """Return the number of a label's class; of one that is unknown, the nearest by number."""
        if label in self.merged:
            return self.labels.index(self.merged[label])
        numbers = {known: int(known) for known in self.labels if known.isdigit()}
        if label.isdigit() and numbers:
            near = min(numbers, key=lambda known: abs(numbers[known] - int(label)))
            return self.labels.index(near)
        return self.labels.index(OTHER) if OTHER in self.labels else 0


class EncodedDrawings(Rows):
    """A row a drawing: offsets, pens and the class."""

    def batch(self, rows: Sequence[int]) -> Batch:
        """Return drawings as one padded batch.

        lengths (B,) of points and the end; label (B,); offsets (B, U, 2) and pens (B, U) that are
        told; fed (B, U, 5), what stands before each step: offset and the pen's three states.
        """
        batch = super().batch(rows)
        fed = stroke_5(batch["offsets"], batch["pens"])
        return {**batch, "fed": torch.cat([start_of(len(fed)), fed[:, :-1]], dim=1)}

    def save(self, folder: Path) -> None:
        """Write one Arrow table."""
        folder.mkdir(exist_ok=True)
        super().save(folder)


def stroke_5(offsets: torch.Tensor, pens: torch.Tensor) -> torch.Tensor:
    """Return Δx, Δy and the pen's state as one of three (Ha & Eck 2017), (…, 5)."""
    return torch.cat([offsets, torch.nn.functional.one_hot(pens.long(), 3).to(offsets)], dim=-1)


def start_of(batch: int) -> torch.Tensor:
    """Return what stands before the first point: the pen down where it is, (B, 1, 5)."""
    return stroke_5(torch.zeros(batch, 1, 2), torch.full((batch, 1), DOWN))


def scale_of(drawings: Sequence[Example]) -> float:
    """Return the root of the mean square of the offsets, 1 where all are 0."""
    total = sum(dx * dx + dy * dy for one in drawings for dx, dy, _ in one["points"])
    count = 2 * sum(len(one["points"]) for one in drawings)
    return float(np.sqrt(total / max(1, count))) or 1.0


def _merged_ends(counts: Counter[str], least: int) -> dict[str, str]:
    """Merge rare numbers with their neighbours towards the middle, from both ends."""
    numbers = sorted(int(label) for label in counts)
    low, high = (_reached(order, counts, least) for order in (numbers, numbers[::-1]))
    low = min(low, high)
    return {str(number): str(min(max(number, low), high)) for number in numbers}


def _reached(numbers: Sequence[int], counts: Counter[str], least: int) -> int:
    """Return the number up to which at least `least` drawings are counted."""
    total = 0
    for number in numbers:
        total += counts[str(number)]
        if total >= least:
            return number
    return numbers[-1]


def _merged_rare(counts: Counter[str], least: int) -> dict[str, str]:
    """Merge labels of too few drawings into one, if there are several."""
    rare = {label for label, count in counts.items() if count < least}
    return {label: OTHER if label in rare and len(counts) > 1 else label for label in counts}

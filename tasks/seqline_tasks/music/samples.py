"""Told frames as a person wants to see them."""

from __future__ import annotations

from collections.abc import Sequence

from seqline_plugins.task.source import Example
from seqline_tasks.music.notes import spelled

SHOWN = 3
FRAMES = 8


def show_pieces(examples: Sequence[Example], predicted: Sequence[Sequence[str]]) -> list[str]:
    """Return the first frames of some pieces; a frame told wrongly as "**C4 E4** (not C4 F4)"."""
    step = max(1, len(examples) // SHOWN)
    return [
        f"{example['name']}: {_line(example, told)}"
        for example, told in list(zip(examples, predicted, strict=True))[::step][:SHOWN]
    ]


def _line(example: Example, told: Sequence[str]) -> str:
    frames = [spelled(frame) for frame in example["frames"][: FRAMES + 1]]
    parts = [frames[0]]
    for given, wanted in zip(told, frames[1:], strict=False):
        parts.append(wanted if given == wanted else f"**{given}** (not {wanted})")
    return " | ".join([*parts, "…"] if len(example["frames"]) > len(parts) else parts)

"""Pieces in numbers: what sounds in every frame, and in the one after it.

Letters: B pieces, T frames, K = 88 keys.
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
from seqline_tasks.music.baseline import roll_of
from seqline_tasks.music.notes import Frame

PADDING, TOLD, LAST = 0, 1, 2
"""Of a step: past the piece's end, with a frame after it, the last one."""


@dataclass
class MusicEncoding(Encoding):
    """What generation needs to know of the training pieces.

    frames_per_quarter  of the grid; opening  the commonest first chord; length  frames of a piece
    """

    frames_per_quarter: int
    opening: Frame
    length: int

    @classmethod
    def build(cls, examples: Iterable[Example], config: Any) -> MusicEncoding:
        """Learn how the training pieces begin, and how long one is."""
        pieces = [example["frames"] for example in examples]
        first: Counter[tuple[int, ...]] = Counter(
            next((tuple(frame) for frame in piece if frame), ()) for piece in pieces
        )
        length = int(np.median([len(piece) for piece in pieces]))
        return cls(config.frames_per_quarter, list(first.most_common(1)[0][0]), length)

    def save(self, folder: Path) -> None:
        """Write `encoding.json`."""
        (folder / "encoding.json").write_text(json.dumps(asdict(self)), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> MusicEncoding:
        """Read back what `save` wrote."""
        return cls(**json.loads((folder / "encoding.json").read_text(encoding="utf-8")))

    def encode(self, examples: Sequence[Example]) -> EncodedMusic:
        """Return pieces in numbers."""
        rolls = (roll_of(one["frames"]).astype(np.uint8) for one in examples)
        return EncodedMusic({"packed": [np.packbits(roll, axis=1) for roll in rolls]})


class EncodedMusic(Rows):
    """A row a piece: its piano roll, eight keys to a byte."""

    timed = ("frames", "next", "step")

    def batch(self, rows: Sequence[int]) -> Batch:
        """Return pieces as one padded batch.

        lengths (B,); frames (B, T, K) and next (B, T, K), the frame after each, 1 where a key
        sounds; step (B, T), which of PADDING, TOLD and LAST each is.
        """
        batch = super().batch(rows)
        packed = batch["packed"].numpy().astype(np.uint8)
        frames = torch.from_numpy(np.unpackbits(packed, axis=-1)).float()
        after = torch.cat([frames[:, 1:], torch.zeros_like(frames[:, :1])], dim=1)
        left = batch["lengths"].unsqueeze(-1) - torch.arange(frames.shape[1])
        step = torch.where(left > 1, TOLD, torch.where(left == 1, LAST, PADDING))
        return {"lengths": batch["lengths"], "frames": frames, "next": after, "step": step}

    def save(self, folder: Path) -> None:
        """Write one Arrow table."""
        folder.mkdir(exist_ok=True)
        super().save(folder)

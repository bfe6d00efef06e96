"""Pairs in numbers: the source with its end, the target between start and end.

Letters: B pairs, S pieces of the source and its end, U pieces of the target and its end.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch

from seqline_plugins.errors import UserError
from seqline_plugins.task.encoding import Encoding, SearchTokens
from seqline_plugins.task.source import Example
from seqline_plugins.task.split import Batch, EncodedSplit
from seqline_tasks.data.ragged import Integers, Ragged
from seqline_tasks.data.stored import RowWriter, StoredRows, open_rows
from seqline_tasks.data.subwords import (
    END,
    PAD,
    SPACE,
    SPECIAL,
    START,
    UNKNOWN,
    Subwords,
)
from seqline_tasks.heads.softmax import UNSCORED

SIDES = ("source", "target")
AT_ONCE = 10_000
"""Pairs that are cut into pieces together."""
MOST_SHOWN = 60
"""Pieces of a side that a picture shows."""


@dataclass
class PairEncoding(Encoding):
    """The subwords of both sides; one object where the vocabulary is joint."""

    source: Subwords
    target: Subwords
    max_length: int
    too_long: str = "leave_out"

    @classmethod
    def build(cls, examples: Iterable[Example], config: Any) -> PairEncoding:
        """Learn the subwords from the training pairs, which are read once or twice, never held."""
        pairs, key = examples, "task.subwords.size"
        if config.subwords.joint:
            both = (pair[side] for pair in pairs for side in SIDES)
            one = Subwords.learn(both, config.subwords, key)
            return cls(one, one, config.max_length, config.too_long)
        source, target = (
            Subwords.learn((pair[side] for pair in pairs), config.subwords, key) for side in SIDES
        )
        return cls(source, target, config.max_length, config.too_long)

    @property
    def joint(self) -> bool:
        """Whether source and target have one vocabulary."""
        return self.source is self.target

    @property
    def search_tokens(self) -> SearchTokens:
        """Where a target starts and ends; padding and start are never written."""
        return SearchTokens(START, END, (PAD, START), UNKNOWN)

    def save(self, folder: Path) -> None:
        """Write `encoding.json` and the subwords, each as JSON."""
        kept = {
            "joint": self.joint,
            "max_length": self.max_length,
            "too_long": self.too_long,
        }
        (folder / "encoding.json").write_text(json.dumps(kept), encoding="utf-8")
        sides = {"source": self.source} if self.joint else self._sides()
        for name, side in sides.items():
            (folder / f"subwords-{name}.json").write_text(side.to_json(), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> PairEncoding:
        """Read back what `save` wrote."""
        kept = json.loads((folder / "encoding.json").read_text(encoding="utf-8"))
        names = ("source",) if kept["joint"] else ("source", "target")
        sides = [
            Subwords.from_json((folder / f"subwords-{name}.json").read_text(encoding="utf-8"))
            for name in names
        ]
        return cls(sides[0], sides[-1], kept["max_length"], kept["too_long"])

    def describe(self) -> dict[str, int]:
        """Return the sizes of the vocabularies."""
        if self.joint:
            return {"pieces": len(self.source)}
        return {f"{name} pieces": len(side) for name, side in self._sides().items()}

    def store(
        self, examples: Iterable[Example], folder: Path, *, training: bool
    ) -> tuple[EncodedPairs, list[str]]:
        """Write pairs in numbers, some thousands at a time; see `_fitting` for those of training.

        Raises `UserError` where training pairs that are too long are to be refused.
        """
        counts = _Counts()
        with RowWriter(folder, SIDES) as writer:
            rest = iter(examples)
            while some := list(islice(rest, AT_ONCE)):
                if training:
                    some = self._fitting(some, counts)
                if some:
                    self.encode(some).add_to(writer)
        if training and not counts.kept:
            raise UserError(
                f"task.max_length: found {self.max_length}, but all {counts.seen:,} training pairs "
                f"have a side of more pieces, the longest {counts.longest:,}."
            )
        return EncodedPairs.load(folder), self._told(counts)

    def _fitting(self, examples: Sequence[Example], counts: _Counts) -> list[Example]:
        """Leave out the training pairs with a side that is too long, unless sources are cut."""
        found = self._encoded(examples, cut=False)
        sources, targets = found.source.lengths - 1, found.target.lengths
        longest = np.maximum(sources, targets)
        counts.seen += len(examples)
        counts.longest = max(counts.longest, int(longest.max()))
        counts.long += int((longest > self.max_length).sum())
        if self.too_long == "refuse" and counts.long:
            row = int(np.argmax(longest))
            raise UserError(
                f"task.too_long=refuse: found a training pair with a side of {longest[row]:,} "
                f"pieces, expected {self.max_length} (task.max_length) at most: "
                f'"{examples[row]["source"][:60]}…".'
            )
        if self.too_long == "cut":
            counts.cut += int((sources > self.max_length).sum())
            longest = targets
        kept = [examples[row] for row in np.flatnonzero(longest <= self.max_length).tolist()]
        counts.kept += len(kept)
        return kept

    def _told(self, counts: _Counts) -> list[str]:
        said = []
        if counts.cut:
            said.append(
                f"{counts.cut:,} of {counts.seen:,} training texts have more than "
                f"{self.max_length} pieces and are cut there (task.max_length)."
            )
        if counts.kept < counts.seen:
            said.append(
                f"{counts.seen - counts.kept:,} of {counts.seen:,} training pairs have a side of "
                f"more than {self.max_length} pieces and are left out (task.max_length)."
            )
        return said

    def encode(self, examples: Sequence[Example]) -> EncodedPairs:
        """Return pairs in numbers; a pair without a target has an empty one."""
        return self._encoded(examples, cut=self.too_long == "cut")

    def _encoded(self, examples: Sequence[Example], *, cut: bool) -> EncodedPairs:
        source = self.source.encode([pair["source"] for pair in examples])
        target = self.target.encode([pair.get("target") or "" for pair in examples])
        most = self.max_length if cut else None
        return EncodedPairs(Ragged.of([*row[:most], END] for row in source), Ragged.of(target))

    def texts(self, predicted: Iterable[Sequence[int]], sources: Sequence[str] = ()) -> list[str]:
        """Return the plain text of rows of target pieces, up to each row's end.

        A piece −1 − s is what stands at place s of the row's source.
        """
        rows = [row[: row.index(END)] if END in row else row for row in map(list, predicted)]
        texts = [
            text.strip() for text in self.target.decode([[p for p in r if p >= 0] for r in rows])
        ]
        for number, row in enumerate(rows):
            if min(row, default=0) < 0:
                taken = self.source.parts_of(sources[number])
                texts[number] = self.target.joined(
                    [
                        taken[-1 - p] if p < 0 else self.target.piece(p)
                        for p in row
                        if p > END or p < 0
                    ]
                )
        return texts

    def shown_pieces(self, example: Example, written: Sequence[int]) -> tuple[list[str], list[str]]:
        """Return a source's parts and what was written, piece by piece, both with their ends."""
        parts = self.source.parts_of(example["source"])
        if self.too_long == "cut":
            parts = parts[: self.max_length]
        row = list(written)
        row = row[: row.index(END)] if END in row else row
        taken = [parts[-1 - p] if p < 0 else self.target.piece(p) for p in row]
        sides = (parts[:MOST_SHOWN], taken[:MOST_SHOWN])
        source, target = ([part.replace(SPACE, "") or SPACE for part in side] for side in sides)
        ended = ([*source, SPECIAL[END]], [*target, SPECIAL[END]])
        whole = (len(parts) <= MOST_SHOWN, len(taken) <= MOST_SHOWN)
        return ended[0] if whole[0] else source, ended[1] if whole[1] else target

    def _sides(self) -> dict[str, Subwords]:
        return {"source": self.source, "target": self.target}


@dataclass
class _Counts:
    """Training pairs that were seen, kept, too long, cut; the longest side."""

    seen: int = 0
    kept: int = 0
    long: int = 0
    cut: int = 0
    longest: int = 0


@dataclass
class EncodedPairs(EncodedSplit):
    """A row a pair: the source's pieces and their end, the target's pieces."""

    source: Ragged | StoredRows
    target: Ragged | StoredRows

    @property
    def lengths(self) -> Integers:  # type: ignore[override]
        """Pieces of both sides, their ends counted."""
        return self.source.lengths + self.target.lengths + 1

    @property
    def tokens(self) -> int:
        """Pieces of all pairs together, their ends counted."""
        return int(self.lengths.sum(dtype=np.int64))

    def batch(self, rows: Sequence[int]) -> Batch:
        """Return pairs as one padded batch.

        lengths (B,) of both sides; source (B, S), source_lengths (B,); fed (B, U) the target after
        a start, target (B, U) before an end, target_lengths (B,).
        """
        chosen = np.asarray(rows, dtype=np.int64)
        target, width = self.target.padded(chosen, fill=PAD), self.target.lengths[chosen]
        start = np.full((len(chosen), 1), START, dtype=np.int64)
        fed = np.concatenate([start, target], axis=1)
        wanted = np.where(np.arange(fed.shape[1]) < width[:, None], np.roll(fed, -1, 1), UNSCORED)
        wanted[np.arange(len(chosen)), width] = END
        arrays = {
            "lengths": self.lengths[chosen],
            "source": self.source.padded(chosen, fill=PAD),
            "source_lengths": self.source.lengths[chosen],
            "fed": fed,
            "target": wanted,
            "target_lengths": width + 1,
        }
        return {name: torch.from_numpy(array.astype(np.int64)) for name, array in arrays.items()}

    def save(self, folder: Path) -> None:
        """Write one Arrow table, a row a pair."""
        with RowWriter(folder, SIDES) as writer:
            self.add_to(writer)

    def add_to(self, writer: RowWriter) -> None:
        """Write these pairs after those that are there."""
        assert isinstance(self.source, Ragged) and isinstance(self.target, Ragged)
        writer.write({"source": self.source.rows(), "target": self.target.rows()})

    @classmethod
    def load(cls, folder: Path) -> EncodedPairs:
        """Open the table, memory-mapped."""
        return cls(**open_rows(folder))

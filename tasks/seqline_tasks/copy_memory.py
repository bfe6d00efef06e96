"""Copy memory: ten symbols to be given back after T steps (Hochreiter & Schmidhuber 1997).

Ten symbols of 1 to 8, T − 1 zeros, eleven 9s; the target is T + 10 zeros, then the ten symbols
(Arjovsky et al. 2016). The loss is the mean cross-entropy in nats over all T + 20 outputs; without
memory it is 10 ln 8 / (T + 20).
Letters: B rows, T steps, C symbols.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import one_hot

from seqline_plugins.architecture import Kind
from seqline_plugins.errors import UserError
from seqline_plugins.options import option
from seqline_plugins.task.encoding import Encoding
from seqline_plugins.task.inputs import Inputs
from seqline_plugins.task.metrics import Metric, Metrics
from seqline_plugins.task.rows import Rows
from seqline_plugins.task.source import Example
from seqline_plugins.task.split import Batch
from seqline_plugins.task.task import Task
from seqline_tasks.data.drawn import DrawnSource
from seqline_tasks.heads.classes import ClassHead
from seqline_tasks.heads.softmax import UNSCORED
from seqline_tasks.pictures import draw_curve

COPIED, SYMBOLS, BLANK, MARK = 10, 8, 0, 9
CLASSES = 10


@dataclass
class Config:
    """Copying symbols over a long wait."""

    length: int = option(100, "steps between the symbols and their copy, T", low=1)
    train: int = option(10000, "training sequences", low=2)
    others: int = option(500, "sequences of validation and of test", low=1)


class CopySource(DrawnSource):
    """{"symbols": ten of them, "length": T}; the sequence itself follows from these."""

    def draw(self, random: np.random.Generator) -> Example:
        """Return ten symbols."""
        symbols = random.integers(1, SYMBOLS + 1, COPIED).tolist()
        return {"symbols": symbols, "length": self.config.length}

    def trivial(self, test: Sequence[Example]) -> dict[str, float]:
        """Return the loss and accuracy without memory: zeros, then any symbol equally likely."""
        T = self.config.length
        return {
            "loss": COPIED * math.log(SYMBOLS) / (T + 2 * COPIED),
            "copied": 1 / SYMBOLS,
        }


class CopyRows(Rows):
    """Symbols and targets, each T + 20 a row."""

    timed = ("symbols", "target")


class CopyEncoding(Encoding):
    """Symbols are numbers already."""

    classes = tuple(range(CLASSES))

    def encode(self, examples: Sequence[Example]) -> Rows:
        """Return the whole sequences and their targets."""
        read, wanted = [], []
        for example in examples:
            symbols, T = example["symbols"], example["length"]
            read.append([*symbols, *[BLANK] * (T - 1), *[MARK] * (COPIED + 1)])
            wanted.append([*[BLANK] * (T + COPIED), *symbols])
        return CopyRows({"symbols": read, "target": wanted}, fill={"target": UNSCORED})


class CopyInputs(Inputs):
    """A feature for each of the ten symbols, 1 where it stands."""

    output_size = CLASSES

    def forward(self, batch: Batch) -> tuple[Float[Tensor, "B T 10"], Int[Tensor, "B"]]:
        """Return the features."""
        return one_hot(batch["symbols"], CLASSES).float(), batch["lengths"]


class CopyMetrics(Metrics):
    """The loss over all outputs, and the share of the symbols that come back."""

    def __init__(self, config: Any, encoding: Any) -> None:
        super().__init__(config, encoding)
        self._loss = 0.0
        self._targets = 0
        self._right = torch.zeros(COPIED)
        self._rows = 0

    def update(self, predicted: Tensor, batch: Batch, examples: Sequence[Example] = ()) -> None:
        """Add one batch of predicted symbols, (B, T)."""
        last = batch["lengths"].unsqueeze(-1) - COPIED + torch.arange(COPIED).to(predicted.device)
        right = predicted.gather(1, last) == batch["target"].gather(1, last)
        self._right += right.sum(dim=0).cpu()
        self._rows += len(right)

    def add_loss(self, loss: float, targets: int) -> None:
        """Add a batch's loss in nats, summed over its outputs."""
        self._loss, self._targets = self._loss + loss, self._targets + targets

    def compute(self) -> dict[str, float]:
        """Return loss, in nats an output, and copied, the share of symbols that come back."""
        copied = float(self._right.sum()) / max(1, COPIED * self._rows)
        return {"loss": self._loss / max(1, self._targets), "copied": copied}

    def tables(self) -> dict[str, list[dict[str, Any]]]:
        """Return the share that comes back of the first symbol, the second, …"""
        shares = (self._right / max(1, self._rows)).tolist()
        return {"copied": [{"symbol": n, "copied": x} for n, x in enumerate(shares, start=1)]}

    def pictures(self, folder: Path) -> list[Path]:
        """Draw those shares beside a guess."""
        rows = self.tables()["copied"]
        path = folder / "copied.png"
        shares = {"model": [row["copied"] for row in rows], "a guess": [1 / SYMBOLS] * len(rows)}
        draw_curve(
            [row["symbol"] for row in rows],
            shares,
            path,
            x=f"symbol, each remembered for {self.config.length + COPIED} steps",
            y="share that comes back",
        )
        return [path]


class CopyMemory(Task):
    """Gives ten symbols back after a long wait; scored beside answering without memory."""

    Config = Config
    kinds = (Kind("sequence", "aligned"),)
    metrics = (Metric("loss", "lower"), Metric("copied"))
    primary = "loss"
    source = CopySource
    encoding = CopyEncoding
    split = CopyRows
    inputs = CopyInputs
    head = ClassHead
    scoring = CopyMetrics

    def parse(self, lines: Iterable[str], place: str) -> list[Example]:
        """Read ten symbols of 1 to 8 a line."""
        return [self._parsed(line, f"{place}, line {n}") for n, line in enumerate(lines, start=1)]

    def _parsed(self, line: str, place: str) -> Example:
        symbols = list("".join(line.split()))
        if len(symbols) != COPIED or any(symbol not in "12345678" for symbol in symbols):
            raise UserError(f"{place}: found {line[:40]!r}, expected ten digits of 1 to 8.")
        return {"symbols": [int(symbol) for symbol in symbols], "length": self.config.length}

    def text_of(self, example: Example) -> str:
        """Return the ten symbols."""
        return " ".join(map(str, example["symbols"]))

    def decode(self, encoding: Any, predicted: Tensor, batch: Batch) -> list[list[Any]]:
        """Return the last ten outputs of each row."""
        rows = zip(predicted.tolist(), batch["lengths"].tolist(), strict=True)
        return [row[length - COPIED : length] for row, length in rows]

    def samples(self, examples: Sequence[Example], predicted: Sequence[Sequence[Any]]) -> list[str]:
        """Return a few rows and what came back of them."""
        shown = []
        for example, answer in list(zip(examples, predicted, strict=True))[:4]:
            pairs = zip(example["symbols"], answer, strict=True)
            said = " ".join(str(a) if a == symbol else f"**{a}**" for symbol, a in pairs)
            shown.append(f"{self.text_of(example)} → {said}")
        return shown

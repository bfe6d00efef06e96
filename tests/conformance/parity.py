"""A small task without a fault: at every step, whether the number of ones so far is odd."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from operator import xor
from typing import Any

from torch import nn

from seqline_plugins import (
    Encoding,
    Head,
    Inputs,
    Kind,
    Metric,
    Metrics,
    Rows,
    Source,
    Task,
    option,
)
from seqline_tasks.heads.softmax import UNSCORED, Softmax


@dataclass
class Config:
    """Options of `task=parity`."""

    longest: int = option(40, "bits of the longest sequence", low=1, high=1000)


class Bits(Source):
    """Drawn from the seed."""

    def read(self, data: Any) -> Any:
        draw = random.Random(data.seed)

        def rows(count: int) -> list[dict[str, list[int]]]:
            lengths = [draw.randint(1, self.config.longest) for _ in range(count)]
            return [{"bits": [draw.randint(0, 1) for _ in range(n)]} for n in lengths]

        return {"train": rows(500), "validation": rows(50), "test": rows(50)}

    def baseline(self, splits: Any) -> dict[str, float]:
        odd = [one for row in splits["test"] for one in accumulate(row["bits"], xor)]
        return {"accuracy": 1 - sum(odd) / len(odd)}


@dataclass
class BitEncoding(Encoding):
    """Bits as they are; the answers that training has."""

    answers: list[str]

    @classmethod
    def build(cls, examples: Any, config: Any) -> BitEncoding:
        return cls(["even", "odd"])

    def encode(self, examples: Sequence[Any]) -> Rows:
        bits = [example["bits"] for example in examples]
        odd = [list(accumulate(row, xor)) for row in bits]
        return Rows({"bits": bits, "odd": odd}, fill={"odd": UNSCORED})


class BitInputs(Inputs):
    """A number a step."""

    output_size = 1

    def forward(self, batch: Any) -> Any:
        return batch["bits"].float().unsqueeze(-1), batch["lengths"]


class ParityHead(Head):
    """A softmax over even and odd."""

    def __init__(self, config: Any, encoding: Any, input_size: int, loss: Any) -> None:
        super().__init__(config, encoding, input_size, loss)
        self.softmax: nn.Module = Softmax(input_size, len(encoding.answers))

    def loss(self, hidden: Any, batch: Any) -> Any:
        return self.softmax.loss(hidden, batch["odd"])

    def step_losses(self, hidden: Any, batch: Any) -> Any:
        return self.softmax.step_losses(hidden, batch["odd"])

    def predict(self, hidden: Any) -> Any:
        return self.softmax.predict(hidden)

    def probabilities(self, hidden: Any) -> Any:
        return self.softmax.probabilities(hidden)


class Accuracy(Metrics):
    """The share of steps answered right."""

    right = count = 0

    def update(self, predicted: Any, batch: Any, examples: Any = ()) -> None:
        scored = batch["odd"] != UNSCORED
        self.right += int((predicted == batch["odd"])[scored].sum())
        self.count += int(scored.sum())

    def compute(self) -> dict[str, float]:
        return {"accuracy": self.right / self.count}


class Parity(Task):
    """Even or odd, at every step."""

    Config = Config
    kinds = (Kind("sequence", "aligned"),)
    metrics = (Metric("accuracy"),)
    primary = "accuracy"
    source, encoding, inputs, head, scoring = Bits, BitEncoding, BitInputs, ParityHead, Accuracy

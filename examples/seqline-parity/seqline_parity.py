"""Parity: at every step, whether the number of ones so far is odd."""

import random
from dataclasses import dataclass
from itertools import accumulate
from operator import xor

import torch.nn.functional as F
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
    UserError,
    option,
)

ANSWERS = ("even", "odd")
PADDING = -100


@dataclass
class Config:
    """Options of `task=parity`."""

    longest: int = option(40, "bits of the longest sequence", low=1, high=1000)


class Bits(Source):
    """Where the examples come from: here they are drawn."""

    def read(self, data):
        draw = random.Random(data.seed)

        def rows(count):
            lengths = [draw.randint(1, self.config.longest) for _ in range(count)]
            return [{"bits": [draw.randint(0, 1) for _ in range(n)]} for n in lengths]

        return {"train": rows(2000), "validation": rows(200), "test": rows(200)}

    def baseline(self, splits):
        odd = [answer for example in splits["test"] for answer in accumulate(example["bits"], xor)]
        return {"accuracy": 1 - sum(odd) / len(odd)}  # always "even"


class BitEncoding(Encoding):
    """Examples in numbers; a task with a vocabulary learns it in `build`."""

    def encode(self, examples):
        bits = [example["bits"] for example in examples]
        odd = [list(accumulate(row, xor)) for row in bits]
        return Rows({"bits": bits, "odd": odd}, fill={"odd": PADDING})


class BitInputs(Inputs):
    """Batch → features (B, T, I) and lengths (B,)."""

    output_size = 1

    def forward(self, batch):
        return batch["bits"].float().unsqueeze(-1), batch["lengths"]


class ParityHead(Head):
    """Hidden (B, T, H) → even or odd."""

    def __init__(self, config, encoding, input_size, loss):
        super().__init__(config, encoding, input_size, loss)
        self.scores = nn.Linear(input_size, 2)

    def loss(self, hidden, batch):
        scores, odd = self.scores(hidden).flatten(0, 1), batch["odd"].flatten()
        summed = F.cross_entropy(scores, odd, reduction="sum", ignore_index=PADDING)
        return summed, (odd != PADDING).sum()

    def predict(self, hidden):
        return self.scores(hidden).argmax(-1)


class Accuracy(Metrics):
    """The share of steps answered right."""

    right = count = 0

    def update(self, predicted, batch, examples=()):
        scored = batch["odd"] != PADDING
        self.right += int((predicted == batch["odd"])[scored].sum())
        self.count += int(scored.sum())

    def compute(self):
        return {"accuracy": self.right / self.count}


class Parity(Task):
    """Even or odd, at every step."""

    Config = Config
    kinds = (Kind(input="sequence", output="aligned"),)
    metrics = (Metric("accuracy"),)
    primary = "accuracy"
    source, encoding, inputs, head, scoring = Bits, BitEncoding, BitInputs, ParityHead, Accuracy

    def parse(self, lines, place):
        if any(set(line) - set("01 ") for line in lines):
            raise UserError(f"{place}: expected lines of 0 and 1.")
        return [{"bits": [int(bit) for bit in line.replace(" ", "")]} for line in lines]

    def text_of(self, example):
        return "".join(map(str, example["bits"]))

    def decode(self, encoding, predicted, batch):
        rows = super().decode(encoding, predicted, batch)
        return [[ANSWERS[answer] for answer in row] for row in rows]

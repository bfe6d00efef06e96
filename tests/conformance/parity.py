"""The example's task, with what its checks see besides: answers to learn, losses, probabilities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import seqline_parity
from seqline_parity import Accuracy, BitInputs, Bits

from seqline_plugins import Head
from seqline_tasks.heads.softmax import Softmax

__all__ = ["Accuracy", "BitEncoding", "BitInputs", "Bits", "Parity", "ParityHead"]


@dataclass
class BitEncoding(seqline_parity.BitEncoding):
    """Bits as they are; the answers that training has."""

    answers: list[str]

    @classmethod
    def build(cls, examples: Any, config: Any) -> BitEncoding:
        return cls(["even", "odd"])


class ParityHead(Head):
    """A softmax over even and odd."""

    def __init__(self, config: Any, encoding: Any, input_size: int, loss: Any) -> None:
        super().__init__(config, encoding, input_size, loss)
        self.softmax = Softmax(input_size, len(encoding.answers))

    def loss(self, hidden: Any, batch: Any) -> Any:
        return self.softmax.loss(hidden, batch["odd"])

    def step_losses(self, hidden: Any, batch: Any) -> Any:
        return self.softmax.step_losses(hidden, batch["odd"])

    def predict(self, hidden: Any) -> Any:
        return self.softmax.predict(hidden)

    def probabilities(self, hidden: Any) -> Any:
        return self.softmax.probabilities(hidden)


class Parity(seqline_parity.Parity):
    """Even or odd, at every step."""

    encoding, head = BitEncoding, ParityHead

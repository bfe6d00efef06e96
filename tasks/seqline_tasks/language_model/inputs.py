"""What the network reads: a vector for each character, and for a text's class.

Letters: B rows, T steps, R texts side by side, I numbers in a vector.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from seqline_plugins.task.inputs import Inputs
from seqline_plugins.task.split import Batch
from seqline_tasks.language_model.encoding import UNKNOWN, CharacterEncoding


class CharacterInputs(Inputs):
    """Embeddings; an unknown character's says nothing until training has met one."""

    def __init__(self, config: Any, encoding: CharacterEncoding, kernel: str = "auto") -> None:
        super().__init__(config, encoding, kernel)
        self.output_size = self.fed_size = config.characters.size
        self.entity_size = config.first * config.characters.size
        self.vectors = _vectors(len(encoding), self.output_size)
        self.classes = None
        if encoding.classes:
            self.classes = _vectors(len(encoding.classes) + 1, self.entity_size)

    def forward(self, batch: Batch) -> tuple[Float[Tensor, "B T I"], Int[Tensor, "B"]]:
        """Return the vector of each character."""
        return self.vectors(batch["tokens"]), batch["lengths"]

    def entity(self, batch: Batch) -> Float[Tensor, "B I"]:
        """Return the vector of a piece's class, or those of its first characters in a row."""
        if self.classes is not None:
            of_class: Tensor = self.classes(batch["class"])
            return of_class
        vectors: Tensor = self.vectors(batch["tokens"][:, : self.config.first])
        return vectors.flatten(1)

    def targets(self, batch: Batch) -> tuple[Float[Tensor, "B U I"], Int[Tensor, "B"]]:
        """Return the vectors from the last of the first characters on, each told the next."""
        told = self.config.first - 1
        return self.vectors(batch["tokens"][:, told:]), batch["lengths"] - told

    def feedback(self, sample: Int[Tensor, "R"]) -> Float[Tensor, "R I"]:
        """Return the vectors of the characters that were written last."""
        vectors: Tensor = self.vectors(sample)
        return vectors


def _vectors(count: int, size: int) -> nn.Embedding:
    """Return vectors, that of what is unknown being zero."""
    made = nn.Embedding(count, size)
    nn.init.normal_(made.weight)
    with torch.no_grad():
        made.weight[UNKNOWN].zero_()
    return made

"""What the network reads of a word: its vector, its characters, its affixes, its shape.

Letters: B sentences, T words, U types (the batch's distinct words), I features.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from seqline_plugins.recurrence import RecurrentStack
from seqline_plugins.task.inputs import Inputs
from seqline_plugins.task.split import Batch
from seqline_tasks.pos_tagging.encoding import SPECIAL, UNKNOWN, TagEncoding


class WordInputs(Inputs):
    """Features of every word, side by side; each kind can be switched off by its size 0."""

    def __init__(self, config: Any, encoding: TagEncoding, kernel: str = "auto") -> None:
        super().__init__(config, encoding, kernel)
        words, affixes, shape = config.words, config.affixes, config.shape
        self.words = _vectors(len(encoding.words), words.size)
        self.affixes = _vectors(len(encoding.affixes), affixes.size)
        self.shapes = _vectors(len(encoding.shapes), shape.size)
        self.characters: CharacterReader | None = None
        if config.characters.hidden_size:
            self.characters = CharacterReader(config.characters, len(encoding.characters), kernel)
        self.output_size = (
            words.size
            + affixes.size * 2 * encoding.longest_affix
            + shape.size
            + (self.characters.output_size if self.characters else 0)
        )

    def forward(self, batch: Batch) -> tuple[Float[Tensor, "B T I"], Int[Tensor, "B"]]:
        """Return every word's features; in training, rare words are now and then unknown."""
        token = batch["token"]
        features = []
        if self.words is not None:
            features.append(self.words(self._word_numbers(batch)))
        of_types = []
        if self.characters is not None:
            of_types.append(self.characters(batch["characters"], batch["character_lengths"]))
        if self.affixes is not None:
            of_types.append(self.affixes(batch["affixes"]).flatten(1))
        if self.shapes is not None:
            of_types.append(self.shapes(batch["shape"]))
        if of_types:
            features.append(nn.functional.embedding(token, torch.cat(of_types, dim=-1)))
        return torch.cat(features, dim=-1), batch["lengths"]

    def _word_numbers(self, batch: Batch) -> Int[Tensor, "B T"]:
        numbers, strength = batch["word"][batch["token"]], self.config.words.dropout
        if not self.training or not strength:
            return numbers
        probability = (strength / (strength + batch["count"].clamp(min=1)))[batch["token"]]
        dropped = torch.rand(numbers.shape, device=numbers.device) < probability
        return numbers.masked_fill(dropped, UNKNOWN)


class CharacterReader(nn.Module):
    """Reads the characters of every type with a cell; gives its last output in each direction."""

    def __init__(self, config: Any, vocabulary: int, kernel: str) -> None:
        super().__init__()
        self.vectors = nn.Embedding(vocabulary + SPECIAL, config.size, padding_idx=0)
        self.recurrence = RecurrentStack.of(config, config.size, kernel)
        self.output_size = self.recurrence.output_size

    def forward(
        self, characters: Int[Tensor, "U C"], lengths: Int[Tensor, "U"]
    ) -> Float[Tensor, "U DH"]:
        """Return each word's last outputs: forward at its end, backward at its beginning.

        Words of like length are read together: one long address among them costs its own
        characters, not the padding of all.
        """
        groups = _of_like_length(lengths)
        read = [
            self._read(characters[rows, : int(lengths[rows].max())], lengths[rows])
            for rows in groups
        ]
        return torch.cat(read)[torch.cat(groups).argsort()]

    def _read(self, characters: Int[Tensor, "U C"], lengths: Int[Tensor, "U"]) -> Tensor:
        outputs, _ = self.recurrence(self.vectors(characters), lengths)
        last = (lengths - 1).view(-1, 1, 1).expand(-1, 1, outputs.shape[-1])
        ends, starts = outputs.gather(1, last).squeeze(1), outputs[:, 0]
        if len(self.recurrence.directions) == 1:
            return ends
        half = outputs.shape[-1] // 2
        return torch.cat([ends[:, :half], starts[:, half:]], dim=-1)


def _of_like_length(lengths: Int[Tensor, "U"]) -> list[Tensor]:
    """Return the rows in groups, none more than twice as long as another: 8, 16, 32, … at most."""
    group = (lengths - 1).clamp(min=7).double().log2().floor()
    return [torch.nonzero(group == number).squeeze(1) for number in group.unique()]


def _vectors(vocabulary: int, size: int) -> nn.Embedding | None:
    """Vectors of length about 1, so that a learning rate of 1e-3 moves them."""
    if not size:
        return None
    table = nn.Embedding(vocabulary + SPECIAL, size, padding_idx=0)
    nn.init.normal_(table.weight, std=size**-0.5)
    with torch.no_grad():
        table.weight[0].zero_()
    return table

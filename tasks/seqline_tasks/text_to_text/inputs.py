"""What the network reads: a vector for each piece of the source, and of the target so far.

Letters: B pairs, S source pieces, U target steps, R rows of a search, I numbers in a vector.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from seqline_plugins.task.inputs import Inputs
from seqline_plugins.task.split import Batch
from seqline_tasks.data.subwords import END, PAD, START
from seqline_tasks.heads.softmax import UNSCORED
from seqline_tasks.text_to_text.encoding import PairEncoding


class PieceInputs(Inputs):
    """Embeddings of source and target; one table where all are tied."""

    def __init__(self, config: Any, encoding: PairEncoding, kernel: str = "auto") -> None:
        super().__init__(config, encoding, kernel)
        self.output_size = self.fed_size = config.embedding.size
        self.source = _vectors(len(encoding.source), self.output_size)
        all_tied = config.embedding.tied == "all"
        self.target = self.source if all_tied else _vectors(len(encoding.target), self.fed_size)

    def forward(self, batch: Batch) -> tuple[Float[Tensor, "B S I"], Int[Tensor, "B"]]:
        """Return the source's vectors and how many pieces each row has."""
        return self.source(batch["source"]), batch["source_lengths"]

    def targets(self, batch: Batch) -> tuple[Float[Tensor, "B U I"], Int[Tensor, "B"]]:
        """Return the vectors of what stands before each target step, the start first."""
        return self.target(batch["fed"]), batch["target_lengths"]

    def mixed(self, batch: Batch, predicted: Tensor, share: float) -> Batch:
        """Return the batch with a share of the target's pieces as they were predicted, (B, U)."""
        fed = batch["fed"]
        drawn = torch.rand(fed.shape, device=fed.device) < share
        drawn[:, 0] = False  # the start
        before = torch.cat([fed[:, :1], predicted[:, :-1]], dim=1)
        return {**batch, "fed": torch.where(drawn, before, fed)}

    def with_output(self, batch: Batch, tokens: Tensor) -> Batch:
        """Return the batch with the pieces that were written as its target."""
        start = torch.full_like(tokens[:, :1], START)
        fed = torch.cat([start, tokens], dim=1)
        ended = (tokens == END).long().cumsum(dim=1) > 0
        lengths = (~ended).sum(dim=1) + 1
        target = torch.cat([tokens, torch.full_like(start, END)], dim=1)
        after = torch.arange(target.shape[1], device=tokens.device) >= lengths.unsqueeze(-1)
        more = {"fed": fed, "target": target.masked_fill(after, UNSCORED)}
        return {**batch, **more, "target_lengths": lengths}

    def feedback(self, sample: Int[Tensor, "R"]) -> Float[Tensor, "R I"]:
        """Return the vectors of the pieces that were written last."""
        vectors: Tensor = self.target(sample)
        return vectors


def _vectors(count: int, size: int) -> nn.Embedding:
    """Vectors of length about 1, so that a learning rate of 1e-3 moves them."""
    table = nn.Embedding(count, size, padding_idx=PAD)
    nn.init.normal_(table.weight, std=size**-0.5)
    with torch.no_grad():
        table.weight[PAD].zero_()
    return table

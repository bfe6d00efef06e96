"""Attention: at each step of the target, a look at every place of the source.

    a = softmax(score(h, m)), c = Σ a m

with score h·m (`dot`) or h·W m (`general`, Luong et al. 2015), or v·tanh(W h + U m) (`additive`,
Bahdanau et al. 2015), where coverage adds w · Σ a of the steps before (See et al. 2017).
Letters: B batch, U target steps, S source places, Q, M, A sizes of query, memory and key.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn


class Attention(nn.Module):
    """Scores of one of three kinds; places that are not valid get weight 0."""

    def __init__(
        self, kind: str, query_size: int, memory_size: int, size: int, coverage: bool = False
    ) -> None:
        super().__init__()
        self.kind = kind
        if kind == "general":
            self.of_memory = nn.Linear(memory_size, query_size, bias=False)
        elif kind == "additive":
            self.of_memory = nn.Linear(memory_size, size)
            self.of_query = nn.Linear(query_size, size, bias=False)
            self.score = nn.Linear(size, 1, bias=False)
        self.of_coverage = nn.Linear(1, size, bias=False) if coverage else None

    def keys(self, memory: Float[Tensor, "B S M"]) -> Float[Tensor, "B S A"]:
        """Return what of the memory queries are compared with; the same for all steps."""
        keys: Tensor = memory if self.kind == "dot" else self.of_memory(memory)
        return keys

    def forward(
        self,
        query: Float[Tensor, "B U Q"],
        keys: Float[Tensor, "B S A"],
        memory: Float[Tensor, "B S M"],
        valid: Bool[Tensor, "B S"],
        coverage: Float[Tensor, "B S"] | None = None,
    ) -> tuple[Float[Tensor, "B U M"], Float[Tensor, "B U S"]]:
        """Return the context and the weights of each step; both 0 where no place is valid."""
        if self.kind == "additive":
            summed = self.of_query(query).unsqueeze(2) + keys.unsqueeze(1)
            if coverage is not None and self.of_coverage is not None:
                summed = summed + self.of_coverage(coverage[:, None, :, None])
            scores = self.score(summed.tanh()).squeeze(-1)
        else:
            scores = query @ keys.transpose(1, 2)
        seen = valid.unsqueeze(1)
        scores = scores.to(torch.promote_types(scores.dtype, torch.float32))
        scores = scores.masked_fill(~seen, torch.finfo(scores.dtype).min)
        weights = (scores.softmax(dim=-1) * seen).to(memory.dtype)
        return weights @ memory, weights

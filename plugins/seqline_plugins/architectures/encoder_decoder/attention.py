"""Attention: at each step of the target, a look at every place of the source.

    a = softmax(score(h, m)), c = Σ a m

with score h·m (`dot`) or h·W m (`general`, Luong et al. 2015), or v·tanh(W h + U m) (`additive`,
Bahdanau et al. 2015), where coverage adds w · Σ a of the steps before (See et al. 2017).
Letters: G sources, n rows of each, R = G n rows, U target steps, S source places, Q, M, A sizes of
query, memory and key.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from seqline_plugins.linear import Linear
from seqline_plugins.recurrence.generated import rows
from seqline_plugins.steps import Left, StepsTogether, together


class Attention(nn.Module):
    """Scores of one of three kinds; places past a source's length get weight 0.

    A search has n rows for each source, side by side; what they look at is there once.
    """

    def __init__(
        self, kind: str, query_size: int, memory_size: int, size: int, coverage: bool = False
    ) -> None:
        super().__init__()
        self.kind = kind
        if kind == "general":
            self.of_memory = Linear(memory_size, query_size, bias=False)
        elif kind == "additive":
            self.of_memory = Linear(memory_size, size)
            self.of_query = Linear(query_size, size, bias=False)
            self.score = nn.Linear(size, 1, bias=False)
        self.of_coverage = nn.Linear(1, size, bias=False) if coverage else None

    def keys(self, memory: Float[Tensor, "G S M"]) -> Float[Tensor, "G S A"]:
        """Return what of the memory queries are compared with; the same for all steps."""
        keys: Tensor = memory if self.kind == "dot" else self.of_memory(memory)
        return keys

    def forward(
        self,
        query: Float[Tensor, "R U Q"],
        keys: Float[Tensor, "G S A"],
        memory: Float[Tensor, "G S M"],
        lengths: Int[Tensor, "G"],
        coverage: Float[Tensor, "R S"] | None = None,
    ) -> tuple[Float[Tensor, "R U M"], Float[Tensor, "R U S"]]:
        """Return the context and the weights of each step; both 0 where a source has no place.

        `coverage`, which needs U = 1, is what was looked at before.
        """
        (R, U), (G, S) = query.shape[:2], keys.shape[:2]
        if self.kind == "additive":
            query = self.of_query(query)
        if self.of_coverage is None:
            coverage = None
        loop = together()
        if loop is not None and U == 1 and _goes_step_by_step(query, keys, memory, coverage):
            given = (query.reshape(R, -1), keys, memory, lengths, coverage)
            context, weights = attend_step(loop, *given, self._more())
        elif rows.serves(query, keys, memory, coverage):
            score, of_coverage = _vectors(self._more())
            flat = query.reshape(R * U, -1)
            context, weights = rows.attend(
                flat, keys, memory, lengths, score, coverage, of_coverage
            )
        else:
            context, weights = self._attend(
                query.reshape(G, -1, query.shape[-1]), keys, memory, lengths, coverage
            )
        return context.view(R, U, -1), weights.view(R, U, S)

    def _more(self) -> list[Tensor]:
        """Return v and w, where there are some."""
        more = [self.score.weight] if self.kind == "additive" else []
        return more if self.of_coverage is None else [*more, self.of_coverage.weight]

    def _attend(
        self,
        query: Tensor,
        keys: Tensor,
        memory: Tensor,
        lengths: Tensor,
        coverage: Tensor | None,
    ) -> tuple[Tensor, Tensor]:
        """Return both for queries (G, n U, Q), by torch."""
        G, S = keys.shape[:2]
        if self.kind == "additive":
            summed = query.unsqueeze(2) + keys.unsqueeze(1)
            if coverage is not None and self.of_coverage is not None:
                summed = summed + self.of_coverage(coverage.view(G, -1, S, 1))
            scores = self.score(summed.tanh()).squeeze(-1)
        else:
            scores = query @ keys.transpose(1, 2)
        seen = (torch.arange(S, device=keys.device) < lengths.unsqueeze(-1)).unsqueeze(1)
        scores = scores.to(torch.promote_types(scores.dtype, torch.float32))
        scores = scores.masked_fill(~seen, torch.finfo(scores.dtype).min)
        weights = (scores.softmax(dim=-1) * seen).to(memory.dtype)
        return weights @ memory, weights


def _vectors(more: Sequence[Tensor]) -> tuple[Tensor | None, Tensor | None]:
    """Return v (A,) and w (A,), None for what is not there."""
    score, of_coverage = [*(one.flatten() for one in more), None, None][:2]
    return score, of_coverage


def _goes_step_by_step(*tensors: Tensor | None) -> bool:
    """Say whether compiled code serves a single step of training."""
    like = tensors[0]
    assert like is not None
    return rows.is_compiled(*tensors) and not torch.is_autocast_enabled(like.device.type)


def attend_step(
    loop: StepsTogether,
    query: Float[Tensor, "R Q"],
    keys: Float[Tensor, "G S A"],
    memory: Float[Tensor, "G S M"],
    lengths: Int[Tensor, "G"],
    coverage: Float[Tensor, "R S"] | None,
    more: list[Tensor],
) -> tuple[Float[Tensor, "R M"], Float[Tensor, "R S"]]:
    """Return context and weights of a step of a loop; `more` are v and w of additive scores.

    What each step adds to the gradients of keys, memory, v and w is summed up in one place.
    """
    shared = [keys.contiguous(), memory.contiguous(), *more]
    key = ("attention", id(keys), id(memory))
    left, gate, given = loop.share(key, (keys, memory), lambda: shared, list)
    found: tuple[Tensor, Tensor] = _Step.apply(  # type: ignore[no-untyped-call]
        query.contiguous(), coverage, gate, left, lengths.to(torch.int64).contiguous(), *given
    )
    return found


class _Step(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        query: Tensor,
        coverage: Tensor | None,
        gate: Tensor,
        left: Left,
        lengths: Tensor,
        *shared: Tensor,
    ) -> tuple[Tensor, Tensor]:
        keys, memory, *more = shared
        score, of_coverage = _vectors(more)
        coverage = None if coverage is None else coverage.contiguous()
        context, weights = rows.attend(query, keys, memory, lengths, score, coverage, of_coverage)
        ctx.left, ctx.shared = left, shared
        ctx.save_for_backward(query, coverage, lengths, weights)
        ctx.set_materialize_grads(False)
        return context, weights

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, context_grad: Tensor | None, weights_grad: Tensor | None
    ) -> tuple[Tensor | None, ...]:
        query, coverage, lengths, weights = ctx.saved_tensors
        keys, memory, *more = ctx.shared
        score, of_coverage = _vectors(more)
        sums = ctx.left.things()
        if not sums:
            sums += [torch.zeros_like(one) for one in ctx.shared]
        if context_grad is None:
            context_grad = query.new_zeros(len(query), memory.shape[2])
        query_grad, coverage_grad = rows.attend_back(
            (query, keys, memory, score, coverage, of_coverage),
            lengths,
            weights,
            (context_grad, weights_grad),
            sums,
        )
        nothing = [None] * (2 + len(ctx.shared))
        return (query_grad, coverage_grad, query.new_zeros(()), *nothing)

"""A linear-chain conditional random field over the tags of a sequence (Lafferty et al. 2001).

    p(y) = exp(Σ_t s_t[y_t] + Σ_t A[y_t, y_{t+1}]) / Z

The scores s come from a network, the transitions A are learned beside it (Huang et al. 2015).
Letters: B batch, T time, C classes.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable

from seqline_plugins.linear import product

LEAST = 1e-20
"""No pair of tags is less likely than this beside the likeliest one, so that sums never vanish."""


class Sums(NamedTuple):
    """What the forward and backward sums give of each row.

    log_z      (B,)
    marginals  (B, T, C) the probability of each tag at each step, 0 past the end
    pairs      (B, C, C) how many steps from one tag to another are expected
    """

    log_z: Tensor
    marginals: Tensor
    pairs: Tensor


def sums_of(
    scores: Float[Tensor, "B T C"], transitions: Float[Tensor, "C C"], lengths: Int[Tensor, "B"]
) -> Sums:
    """Return log Z, the marginals and the expected pairs.

    The sums are of exponentials, each step divided by its own (Rabiner 1989, section V.A), so that
    a step is a product. A score of −∞ forbids a tag.
    """
    steps = scores.shape[1]
    inside = torch.arange(steps, device=scores.device) < lengths.unsqueeze(1)
    top = scores.amax(dim=-1, keepdim=True)
    weights = (scores - top).exp()
    highest = transitions.max()
    moves = (transitions - highest).exp().clamp_min(LEAST)
    alphas, sums = torch.zeros_like(weights), torch.ones_like(top)
    betas = torch.ones_like(weights)
    for t in range(steps):
        alpha = product(alphas[:, t - 1], moves.T) * weights[:, t] if t else weights[:, 0]
        sums[:, t] = alpha.sum(dim=-1, keepdim=True)
        alphas[:, t] = alpha / sums[:, t]
    for t in range(steps - 2, -1, -1):
        beta = product(weights[:, t + 1] * betas[:, t + 1] / sums[:, t + 1], moves)
        betas[:, t] = torch.where(inside[:, t + 1 : t + 2], beta, 1.0)
    each = (sums.log() + top).squeeze(-1).where(inside, 0.0)
    log_z = each.sum(dim=1) + (lengths - 1).clamp_min(0) * highest
    marginals = (alphas * betas).where(inside.unsqueeze(-1), 0.0)
    after = (weights * betas / sums)[:, 1:].where(inside[:, 1:].unsqueeze(-1), 0.0)
    return Sums(log_z, marginals, alphas[:, :-1].transpose(1, 2) @ after * moves)


def chain_loss(
    scores: Float[Tensor, "B T C"],
    transitions: Float[Tensor, "C C"],
    lengths: Int[Tensor, "B"],
    targets: Int[Tensor, "B T"],
    smoothing: float = 0.0,
) -> Float[Tensor, "B"]:
    """Return −log p of the known tags of each row, in nats.

    Targets outside 0…C−1 are not known: all tags are summed over there. With smoothing a share of
    the target is a row of tags drawn evenly. It cannot be differentiated twice.
    """
    loss: Tensor = _Chain.apply(scores, transitions, lengths, targets, smoothing)  # type: ignore[no-untyped-call]
    return loss


class _Chain(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        scores: Tensor,
        transitions: Tensor,
        lengths: Tensor,
        targets: Tensor,
        smoothing: float,
    ) -> Tensor:
        wide = torch.promote_types(scores.dtype, torch.float32)
        free, moves = scores.to(wide), transitions.to(wide)
        held = free.masked_fill(_ruled_out(targets, scores.shape[-1]), float("-inf"))
        found = sums_of(torch.cat([free, held]), moves, torch.cat([lengths, lengths]))
        (all_z, gold_z), (all_tags, gold), (all_pairs, gold_pairs) = (
            whole.chunk(2) for whole in found
        )
        loss = all_z - (1 - smoothing) * gold_z
        of_scores = all_tags - (1 - smoothing) * gold
        of_moves = all_pairs - (1 - smoothing) * gold_pairs
        if smoothing:
            inside = torch.arange(scores.shape[1], device=scores.device) < lengths.unsqueeze(1)
            pairs = (lengths - 1).clamp_min(0)
            even = free.mean(dim=-1).where(inside, 0.0).sum(dim=1) + pairs * moves.mean()
            loss = loss - smoothing * even
            of_scores -= smoothing / scores.shape[-1] * inside.unsqueeze(-1)
            of_moves -= smoothing / moves.numel() * pairs[:, None, None]
        ctx.save_for_backward(of_scores.to(scores.dtype), of_moves.to(transitions.dtype))
        return loss

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        of_scores, of_moves = ctx.saved_tensors
        each = grads[0].to(of_scores.dtype)[:, None, None]
        return of_scores * each, (of_moves * each.to(of_moves.dtype)).sum(dim=0), None, None, None


def _ruled_out(targets: Int[Tensor, "B T"], classes: int) -> Bool[Tensor, "B T C"]:
    """Return which tags are not the known one."""
    known = (targets >= 0) & (targets < classes)
    other = torch.arange(classes, device=targets.device) != targets.unsqueeze(-1)
    return other & known.unsqueeze(-1)

"""Scores, softmax, cross-entropy and their gradient in one go, a part of the rows at a time.

The scores of a big batch times a big vocabulary are never all there, and nothing is computed
twice: the gradient, p − y, stands beside the loss when that is computed (the idea of "Cut your
losses in large-vocabulary language models", Wijmans et al. 2024, on a processor).
Letters: N rows, H hidden features, C classes.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable

AT_ONCE = 1 << 21
"""Scores that are there at once: with fewer, W's gradient is read and written too often."""


def fused_cross_entropy(
    hidden: Float[Tensor, "N H"],
    weight: Float[Tensor, "C H"],
    bias: Float[Tensor, "C"],
    targets: Int[Tensor, "N"],
    smoothing: float = 0.0,
) -> Float[Tensor, ""]:
    """Return the cross-entropy of softmax(W h + b) in nats, summed over the rows.

    The same as `F.cross_entropy` of `F.linear`, gradients included; it cannot be differentiated
    twice. Under autocast the products are in its precision, all else in float32.
    """
    loss: Tensor = _Fused.apply(hidden, weight, bias, targets, smoothing)  # type: ignore[no-untyped-call]
    return loss


class _Fused(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, weight: Tensor, bias: Tensor, targets: Tensor, smoothing: float
    ) -> Tensor:
        classes, wide = len(weight), torch.promote_types(weight.dtype, torch.float32)
        of_hidden = torch.empty_like(hidden)
        of_weight, of_bias = torch.zeros_like(weight), torch.zeros_like(bias)
        summed = torch.zeros((), dtype=wide, device=hidden.device)
        rows = max(1, AT_ONCE // classes)
        for start in range(0, len(hidden), rows):
            part, gold = hidden[start : start + rows], targets[start : start + rows].unsqueeze(-1)
            scores = F.linear(part, weight, bias).to(wide)
            total = scores.logsumexp(dim=-1, keepdim=True)
            summed += (total - (1 - smoothing) * scores.gather(1, gold)).sum()
            if smoothing:
                summed -= smoothing * scores.mean(dim=-1).sum()
            slope = scores.sub_(total).exp_()
            slope.scatter_add_(1, gold, torch.full_like(total, smoothing - 1))
            if smoothing:
                slope -= smoothing / classes
            slope = slope.to(weight.dtype)
            of_hidden[start : start + rows] = slope @ weight
            if torch.is_autocast_enabled(hidden.device.type):
                of_weight += slope.t() @ part
            else:
                of_weight.addmm_(slope.t(), part)
            of_bias += slope.sum(dim=0)
        ctx.save_for_backward(of_hidden, of_weight, of_bias)
        return summed

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (grad,) = grads
        return *(kept * grad.to(kept.dtype) for kept in ctx.saved_tensors), None, None

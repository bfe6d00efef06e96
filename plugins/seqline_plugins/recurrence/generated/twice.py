"""The gradient of a gradient: no code is generated for it, the traced equations run through torch.

Letters: B batch, T time, H hidden size.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from seqline_plugins.recurrence.generated.graph import Equations
from seqline_plugins.recurrence.generated.interpret import run_equations


def split_arguments(
    equations: Equations, flat: Sequence[Any]
) -> tuple[Any, Any, Any, Any, Any, Any]:
    """Return x, W_F, bias, and the lists of W_R, parameters of its own and initial states."""
    x, W_F, bias, *rest = flat
    first = len(equations.products)
    second = first + len(equations.owns)
    return x, W_F, bias, rest[:first], rest[first:second], rest[second:]


def differentiable_gradients(
    equations: Equations,
    flat: Sequence[Tensor],
    needed: Sequence[bool],
    grads: Sequence[Tensor | None],
    noises: Sequence[Tensor],
    lengths: Tensor | None,
    reverse: bool,
) -> list[Tensor | None]:
    """Return the gradients with a graph of their own; `flat` as in `split_arguments`."""
    x, W_F, bias, W_R, owns, initial = split_arguments(equations, flat)
    weights = (W_F, bias, W_R, owns)
    ends = run_equations(equations, x, *weights, noises, initial, lengths, reverse)
    known = [(end, grad) for end, grad in zip(ends, grads, strict=True) if grad is not None]
    wanted = [tensor for tensor, need in zip(flat, needed, strict=True) if need]
    found = iter(
        torch.autograd.grad(
            [end for end, _ in known],
            wanted,
            [grad for _, grad in known],
            create_graph=True,
            allow_unused=True,
        )
    )
    return [next(found) if need else None for need in needed]

"""Weights that every step of a loop shares: their gradients are made of all steps, once.

    with StepsTogether():
        for t in range(T):
            y, state = layer(x[:, t : t + 1], None, state)

A loop written step by step costs a matrix of the weights' size, and a sum of two, for each step of
its backward pass. Within `StepsTogether`, what the steps multiply with the same weights is left
where a last function finds it, and one product makes the gradient. The gradient of a gradient does
not go through it.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from contextvars import ContextVar, Token
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

Finish = Callable[[list[Any]], Sequence[Tensor]]
"""What the steps left → the gradients of the weights, or none where nothing was left."""


class Left:
    """What the steps of one backward pass leave for the gradients of their weights."""

    def __init__(self, finish: Finish) -> None:
        self.finish = finish
        self.kept: dict[Hashable, Any] = {}
        """What the steps make of the weights alone."""
        self._things: list[Any] = []
        self._task = -1

    def leave(self, thing: Any) -> None:
        """Leave something, in this backward pass."""
        self.things().append(thing)

    def things(self) -> list[Any]:
        """Return what was left in this backward pass; what an earlier one left is forgotten."""
        task = torch._C._current_graph_task_id()
        if task != self._task:
            self._things, self._task = [], task
        return self._things

    def gradients(self) -> Sequence[Tensor]:
        """Return the gradients of this backward pass."""
        found = self.finish(self.things())
        self._things = []
        return found


class StepsTogether:
    """A loop whose steps share weights; outside a forward pass with gradients it does nothing."""

    def __init__(self) -> None:
        self._entries: dict[Hashable, tuple[Left, Tensor, Sequence[Tensor]]] = {}
        self._owners: list[Any] = []
        self._token: Token[StepsTogether | None] | None = None

    def __enter__(self) -> StepsTogether:
        self._token = _current.set(self)
        return self

    def __exit__(self, *error: object) -> None:
        assert self._token is not None
        _current.reset(self._token)

    def share(
        self, key: Hashable, owner: Any, make: Callable[[], Sequence[Tensor]], finish: Finish
    ) -> tuple[Left, Tensor, Sequence[Tensor]]:
        """Return where to leave things, the gate of every step, and the weights without gradients.

        A step's function takes the gate and gives it a gradient, whatever it is: then the weights'
        gradients are made after all steps.
        """
        if key not in self._entries:
            weights, left = make(), Left(finish)
            self._owners.append(owner)  # it is held: its address stays its own
            gate = _Gate.apply(left, *weights)  # type: ignore[no-untyped-call]
            self._entries[key] = left, gate, [weight.detach() for weight in weights]
        return self._entries[key]


_current: ContextVar[StepsTogether | None] = ContextVar("seqline_steps_together", default=None)


def together() -> StepsTogether | None:
    """Return the loop that is under way, None without one or without gradients."""
    return _current.get() if torch.is_grad_enabled() else None


class _Gate(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, left: Left, *weights: Tensor) -> Tensor:
        ctx.left, ctx.count = left, len(weights)
        return weights[0].new_zeros(())

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gate: Tensor) -> tuple[Tensor | None, ...]:
        found = ctx.left.gradients() or [None] * ctx.count
        return (None, *found[: ctx.count])


def linear(x: Tensor, weight: Tensor, bias: Tensor | None, loop: StepsTogether) -> Tensor:
    """Return x Wᵀ + b of one step, (…, I) → (…, O)."""
    given = [weight] if bias is None else [weight, bias]
    left, gate, weights = loop.share(("linear", id(weight)), weight, lambda: given, _of_linear)
    output: Tensor = _Linear.apply(x, gate, left, *weights)  # type: ignore[no-untyped-call]
    return output


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, gate: Tensor, left: Left, *weights: Tensor) -> Tensor:
        ctx.left = left
        ctx.save_for_backward(x, weights[0])
        return F.linear(x, *weights)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        ctx.left.leave((x, grad))
        through = grad @ weight if ctx.needs_input_grad[0] else None
        return (through, grad.new_zeros(()), None, *[None] * (len(ctx.needs_input_grad) - 3))


def _of_linear(pairs: list[Any]) -> Sequence[Tensor]:
    if not pairs:
        return []
    x, grad = (torch.cat([one.flatten(0, -2) for one in side]) for side in zip(*pairs, strict=True))
    return [grad.T @ x, grad.sum(0)]

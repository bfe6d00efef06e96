"""A cell over time by its generated code: a function that torch can differentiate.

Letters: B batch, T time, I input size, H hidden size, G gates.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from seqline_plugins.cell import GatedCell
from seqline_plugins.recurrence.generated.interpret import run_equations
from seqline_plugins.recurrence.generated.library import (
    CallFields,
    Library,
    address,
    openmp,
    pointers,
)
from seqline_plugins.recurrence.generated.tape import Tape
from seqline_plugins.recurrence.generated.trace import BIAS, DIAGONAL, RECURRENT_BIAS
from seqline_plugins.recurrence.weights import GateWeights
from seqline_plugins.recurrence.window import PAST, earlier

State = dict[str, Tensor]


@dataclass(frozen=True)
class Shape:
    """What a call is made for, and how many of its flat arguments are of which kind."""

    library: Library
    lengths: Tensor | None
    noises: tuple[Tensor, ...]
    reverse: bool
    keeps: bool
    has_bias: bool
    states: int
    products: int
    owns: int


_loaded_in = os.getpid()


def run_generated(
    library: Library,
    cell: GatedCell,
    weights: GateWeights,
    x: Tensor,
    lengths: Tensor | None,
    state: State,
    *,
    reverse: bool = False,
) -> tuple[Tensor, State]:
    """Run a cell over time, forward or backward in it; equal to the reference loop."""
    equations = library.plan.equations
    W_R = [_matrix(weights, product.gates) for product in library.plan.products]
    owns = [_own(weights, name) for name in equations.owns]
    drawn = weights.draw_noise(x)
    own_state = {name: state[name] for name in cell.state}
    shape = Shape(
        library,
        None if lengths is None else lengths.to("cpu", torch.int64).contiguous(),
        tuple(drawn[name].contiguous() for name in equations.noises),
        reverse,
        torch.is_grad_enabled(),
        any(gate.bias for gate in weights.fed),
        len(own_state),
        len(W_R),
        len(owns),
    )
    fed = [_window(weights, x, state), weights.matrix_of_fed(), weights.bias_of_fed()]
    flat = [tensor.contiguous() for tensor in [*fed, *W_R, *owns, *own_state.values()]]
    output, *last = _Recurrence.apply(shape, *flat)  # type: ignore[no-untyped-call]
    return output, dict(zip(own_state, last, strict=True))


def _window(weights: GateWeights, x: Tensor, state: State) -> Tensor:
    """Return what W_F multiplies: x_t and, in a cell with windows, the inputs before it."""
    if weights.window == 1:
        return x
    lags = range(1, weights.window)
    return torch.cat([x, *(earlier(x, state[PAST], lag) for lag in lags)], dim=-1)


def _matrix(weights: GateWeights, gates: Sequence[str]) -> Tensor:
    """Return the recurrent matrices of some gates, one below the other, (gates × H, H)."""
    if tuple(gates) == weights.full:
        return weights.W_R
    parts = []
    for name in gates:
        form, matrix = weights.recurrent_of(name)
        if form.name == "block_diagonal":
            parts.append(torch.block_diag(*matrix))
        else:
            parts.append(matrix if form.transform is None else form.transform(matrix))
    return torch.cat(parts) if len(parts) > 1 else parts[0]


def _own(weights: GateWeights, name: str) -> Tensor:
    if name.startswith(DIAGONAL):
        return weights.W_R_of[name.removeprefix(DIAGONAL)]
    H = weights.hidden_size
    for before, every in (
        (BIAS, weights.bias_of_all),
        (RECURRENT_BIAS, weights.recurrent_bias_of_all),
    ):
        if name.startswith(before):
            names = [gate.name for gate in weights.gates]
            place = names.index(name.removeprefix(before))
            return every()[place * H : (place + 1) * H]
    return weights.own[name]


class _Recurrence(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, shape: Shape, *flat: Tensor) -> tuple[Tensor, ...]:
        x = flat[0]
        B, T, _ = x.shape
        library = shape.library
        H = flat[-1].shape[1]
        keeps = shape.keeps and any(ctx.needs_input_grad)
        output = x.new_empty(B, T, H)
        last = [x.new_empty(B, H) for _ in range(shape.states)]
        tape = None
        if keeps:
            tokens = B * T if shape.lengths is None else int(shape.lengths.sum())
            tape = Tape(tokens * library.tape_stride(H), x.dtype)
        library.forward(_call(shape, flat, output, last, tape))
        ctx.shape, ctx.tape = shape, tape
        ctx.threads = torch.get_num_threads()
        if keeps:
            ctx.save_for_backward(output, *flat)
        ctx.set_materialize_grads(False)
        return (output, *last)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        shape: Shape = ctx.shape
        output, *flat = ctx.saved_tensors
        if torch.is_grad_enabled():
            return (None, *_differentiable(shape, flat, ctx.needs_input_grad[1:], grads))
        library, plan = shape.library, shape.library.plan
        if ctx.tape is None:  # used up by an earlier backward
            tokens = output.shape[0] * output.shape[1]
            if shape.lengths is not None:
                tokens = int(shape.lengths.sum())
            ctx.tape = Tape(tokens * library.tape_stride(output.shape[2]), output.dtype)
            again = [torch.empty_like(flat[-1]) for _ in range(shape.states)]
            outputs = torch.empty_like(output)
            library.forward(_call(shape, flat, outputs, again, ctx.tape))
        wanted = [
            torch.empty_like(tensor) if needed else None
            for tensor, needed in zip(flat, ctx.needs_input_grad[1:], strict=True)
        ]
        x, W_F, bias, W_R, owns, initial = _split(shape, wanted)
        sums = torch.empty_like(flat[2]) if bias is None and plan.own_of_gate else bias
        every_own = [flat[-1].new_empty(output.shape[2]) if own is None else own for own in owns]
        given = [None if grad is None else grad.contiguous() for grad in grads]
        call = _call(shape, flat, output, [flat[-1]] * shape.states, ctx.tape)
        call.output_grad = address(given[0])
        call.last_grad = pointers(given[1:])
        call.x_grad, call.W_F_grad, call.bias_grad = address(x), address(W_F), address(sums)
        call.W_R_grad = pointers(W_R)
        call.own_grad = pointers(every_own)
        call.initial_grad = pointers(initial)
        library.backward(call)
        found = dict(zip(plan.equations.owns, every_own, strict=True))
        H = output.shape[2]
        for own, gate in plan.own_of_gate.items():
            place = plan.equations.gates.index(gate)
            found[own].copy_(sums[place * H : (place + 1) * H])
        for own, other in plan.own_of_own.items():
            found[own].copy_(found[other])
        ctx.tape = None
        return (None, *wanted)


def _differentiable(
    shape: Shape,
    flat: Sequence[Tensor],
    needed: Sequence[bool],
    grads: Sequence[Tensor | None],
) -> list[Tensor | None]:
    """Return the gradients with a graph of their own, for the gradient of a gradient."""
    x, W_F, bias, W_R, owns, initial = _split(shape, flat)
    equations = shape.library.plan.equations
    weights, kept = (W_F, bias, W_R, owns), (shape.noises, initial)
    ends = run_equations(equations, x, *weights, *kept, shape.lengths, shape.reverse)
    given = [(end, grad) for end, grad in zip(ends, grads, strict=True) if grad is not None]
    wanted = [tensor for tensor, need in zip(flat, needed, strict=True) if need]
    found = iter(
        torch.autograd.grad(
            [end for end, _ in given],
            wanted,
            [grad for _, grad in given],
            create_graph=True,
            allow_unused=True,
        )
    )
    return [next(found) if need else None for need in needed]


def _split(shape: Shape, flat: Sequence[Any]) -> tuple[Any, Any, Any, Any, Any, Any]:
    """Return x, W_F, bias, and the lists of W_R, parameters of its own and initial states."""
    x, W_F, bias, *rest = flat
    first, second = shape.products, shape.products + shape.owns
    return x, W_F, bias, rest[:first], rest[first:second], rest[second:]


def _call(
    shape: Shape,
    flat: Sequence[Tensor],
    output: Tensor,
    last: Sequence[Tensor],
    tape: Tape | None,
) -> CallFields:
    x, W_F, bias, W_R, owns, initial = _split(shape, flat)
    B, T, I = x.shape
    return CallFields(
        B=B,
        T=T,
        I=I,
        H=output.shape[2],
        reverse=int(shape.reverse),
        threads=torch.get_num_threads(),
        parallel=openmp() if os.getpid() == _loaded_in else None,  # a fork has no team
        lengths=address(shape.lengths),
        x=address(x),
        W_F=address(W_F),
        bias=address(bias) if shape.has_bias else None,
        W_R=pointers(W_R),
        own=pointers(owns),
        noise=pointers(shape.noises),
        initial=pointers(initial),
        output=address(output),
        last=pointers(last),
        tape=None if tape is None else address(tape.numbers),
    )

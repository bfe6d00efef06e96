"""A cell over time by its generated code: a function that torch can differentiate.

Letters: B batch, T time, I input size, H hidden size, G gates.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from seqline_plugins.cell import GatedCell
from seqline_plugins.recurrence.generated.library import (
    CallFields,
    Library,
    address,
    openmp,
    pointers,
)
from seqline_plugins.recurrence.generated.parameters import own_parameter, recurrent_matrix
from seqline_plugins.recurrence.generated.rest import at_rest, made_once
from seqline_plugins.recurrence.generated.tape import empty
from seqline_plugins.recurrence.generated.twice import differentiable_gradients, split_arguments
from seqline_plugins.recurrence.weights import GateWeights
from seqline_plugins.steps import Left, together

State = dict[str, Tensor]


@dataclass(frozen=True)
class Shape:
    """What a call is made for, and how many of its flat arguments are of which kind."""

    library: Library
    lengths: Tensor | None
    noises: tuple[Tensor, ...]
    reverse: bool
    threads: int
    budget: int | None
    keeps: bool
    has_bias: bool
    states: int
    weights: GateWeights
    left: Left | None = None
    """Where the weights' gradients are summed up, of all steps of a loop."""


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
    budget: int | None = None,
) -> tuple[Tensor, State]:
    """Run a cell over time, forward or backward in it; equal to the reference loop.

    What the backward pass needs is kept, or, where that takes more bytes than the budget, computed
    again chunk by chunk (Chen et al. 2016, "Training deep nets with sublinear memory cost"); that
    of the last chunk, which the backward pass reads first, is kept.
    """
    equations = library.plan.equations
    loop, left, gate = together(), None, None
    if loop is None:
        shared: Sequence[Tensor] = _weights_of(library, weights)
    else:
        key = ("recurrence", id(weights), id(library))
        make = partial(_gathered, library, weights)
        left, gate, shared = loop.share(key, weights, make, list)
    drawn = weights.draw_noise(x)
    own_state = {name: state[name] for name in cell.state}
    shape = Shape(
        library,
        None if lengths is None else lengths.to("cpu", torch.int64).contiguous(),
        tuple(drawn[name].contiguous() for name in equations.noises),
        reverse,
        torch.get_num_threads(),
        budget,
        torch.is_grad_enabled(),
        any(gate.bias for gate in weights.fed),
        len(own_state),
        weights,
        left,
    )
    given = [tensor.contiguous() for tensor in (weights.windows(x, state), *own_state.values())]
    flat = [given[0], *shared, *given[1:]]
    if shape.keeps:
        output, *last = _Recurrence.apply(shape, gate, *flat)  # type: ignore[no-untyped-call]
    else:
        output, last = _inferred(shape, flat)
    return output, dict(zip(own_state, last, strict=True))


def _weights_of(library: Library, weights: GateWeights) -> list[Tensor]:
    """Return W_F, its bias, the recurrent matrices and the parameters of the cell's own."""
    if torch.is_grad_enabled():
        return _gathered(library, weights)
    key = ("weights", id(weights), id(library))
    return made_once(key, weights, lambda: _gathered(library, weights))


def _gathered(library: Library, weights: GateWeights) -> list[Tensor]:
    plan = library.plan
    W_R = [recurrent_matrix(weights, product.gates) for product in plan.products]
    owns = [own_parameter(weights, name) for name in plan.equations.owns]
    fed = [weights.matrix_of_fed(), weights.bias_of_fed()]
    return [tensor.contiguous() for tensor in [*fed, *W_R, *owns]]


def _inferred(shape: Shape, flat: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
    """Return the output and the last states; nothing is kept."""
    x = flat[0]
    B, T, H = *x.shape[:2], flat[-1].shape[1]
    output = empty((B, T, H), x.dtype)
    last = [x.new_empty(B, H) for _ in range(shape.states)]
    before = flat[len(flat) - shape.states :]
    call = _call(shape, flat, output, (0, T), before, last)
    with _packed(shape, call, "forward"):
        shape.library.forward(call)
    return output, last


class _Recurrence(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, shape: Shape, gate: Tensor | None, *flat: Tensor) -> tuple[Tensor, ...]:
        x, library = flat[0], shape.library
        B, H = len(x), flat[-1].shape[1]
        keeps = shape.keeps and any(ctx.needs_input_grad)
        output = empty((B, x.shape[1], H), x.dtype)
        chunks = _chunks(shape, x, H) if keeps else [(0, x.shape[1])]
        tape = _new_tape(shape, x, H, chunks[-1]) if keeps and library.plan.keeps else None
        bounds = [
            list(flat[len(flat) - shape.states :])
        ]  # the states before each chunk and after all
        for chunk in chunks:
            last = [x.new_empty(B, H) for _ in range(shape.states)]
            call = _call(shape, flat, output, chunk, bounds[-1], last)
            call.tape = address(tape) if chunk == chunks[-1] else None
            with _packed(shape, call, "forward"):
                library.forward(call)
            bounds.append(last)
        ctx.shape, ctx.chunks, ctx.bounds, ctx.tape = shape, chunks, bounds[:-1], tape
        if keeps:
            ctx.save_for_backward(output, *flat)
        ctx.set_materialize_grads(False)
        return (output, *bounds[-1])

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        shape: Shape = ctx.shape
        output, *flat = ctx.saved_tensors
        needed = ctx.needs_input_grad[2:]
        if torch.is_grad_enabled():
            if shape.left is not None:
                raise RuntimeError("steps that share weights have no gradient of a gradient")
            equations, side = shape.library.plan.equations, (shape.lengths, shape.reverse)
            given = (flat, needed, grads, shape.noises)
            return (None, None, *differentiable_gradients(equations, *given, *side))
        tape, ctx.tape = ctx.tape, None
        wanted = [
            empty(tuple(tensor.shape), tensor.dtype) if one else None
            for tensor, one in zip(flat, needed, strict=True)
        ]
        sums, begun = [], False
        if shape.left is not None:
            sums = shape.left.things()
            begun = bool(sums)
            of_weights = slice(1, len(flat) - shape.states)
            if not begun:
                sums += [empty(tuple(weight.shape), weight.dtype) for weight in flat[of_weights]]
            wanted[of_weights] = sums
        gradients = _Gradients(shape, flat, output, wanted, adds=begun)
        carried: Sequence[Tensor | None] = [g if g is None else g.contiguous() for g in grads[1:]]
        upstream = None if grads[0] is None else grads[0].contiguous()
        for chunk, before in zip(reversed(ctx.chunks), reversed(ctx.bounds), strict=True):
            if tape is None:  # not the last chunk, or used up by an earlier backward pass
                tape = _new_tape(shape, flat[0], output.shape[2], chunk)
                if shape.library.plan.keeps:
                    again = [torch.empty_like(state) for state in before]
                    call = _call(shape, flat, output, chunk, before, again)
                    call.tape = address(tape)
                    with _packed(shape, call, "forward"):
                        shape.library.forward(call)
            carried = gradients.go_back(chunk, tape, before, upstream, carried)
            tape = None
        found = gradients.finished()
        if not sums:
            return (None, None, *found)
        first, *states = found[0], *found[1 + len(sums) :]
        return (None, output.new_zeros(()), first, *[None] * len(sums), *states)


@dataclass
class _Packed:
    room: Tensor
    filled: bool = False


@contextmanager
def _packed(shape: Shape, call: CallFields, way: str) -> Iterator[None]:
    """Give a call room for its packed weights that later calls find filled.

    Where weights are at rest, and in a loop whose steps share them; elsewhere it does nothing.
    """
    key = ("packed", way, bool(call.x_grad), id(shape.weights), id(shape.library))

    def make() -> _Packed:
        return _Packed(torch.empty(shape.library.packed_size(call), dtype=torch.uint8))

    if shape.left is not None:
        packed: _Packed = shape.left.kept.get(key) or shape.left.kept.setdefault(key, make())
    elif at_rest():
        packed = made_once(key, shape.weights, make)
    else:
        yield
        return
    call.packed, call.is_packed = address(packed.room), int(packed.filled)
    yield
    packed.filled = True


class _Gradients:
    """The gradients of one call, gathered chunk by chunk from the last to the first."""

    def __init__(
        self,
        shape: Shape,
        flat: Sequence[Tensor],
        output: Tensor,
        wanted: list[Tensor | None],
        *,
        adds: bool,
    ) -> None:
        self.shape, self.flat, self.output, self.wanted = shape, flat, output, wanted
        plan, H = shape.library.plan, output.shape[2]
        parts = split_arguments(plan.equations, wanted)
        self.x, self.W_F, self.bias, self.W_R, owns, self.initial = parts
        if self.bias is None and plan.own_of_gate:
            self.bias = torch.empty_like(flat[2])
        self.owns = [output.new_empty(H) if own is None else own for own in owns]
        self.adds = adds

    def go_back(
        self,
        chunk: tuple[int, int],
        tape: Tensor,
        before: Sequence[Tensor],
        upstream: Tensor | None,
        carried: Sequence[Tensor | None],
    ) -> Sequence[Tensor | None]:
        """Add a chunk's gradients; return those of the states before it."""
        call = _call(self.shape, self.flat, self.output, chunk, before, before)
        call.tape, call.adds = address(tape), int(self.adds)
        call.output_grad, call.last_grad = address(upstream), pointers(carried)
        call.x_grad, call.W_F_grad = address(self.x), address(self.W_F)
        call.bias_grad = address(self.bias)
        call.W_R_grad, call.own_grad = pointers(self.W_R), pointers(self.owns)
        first = chunk[0] == 0
        given = self.initial if first else [torch.empty_like(state) for state in before]
        call.initial_grad = pointers(given)
        with _packed(self.shape, call, "backward"):
            self.shape.library.backward(call)
        self.adds = True
        return given

    def finished(self) -> list[Tensor | None]:
        """Return all of them, as they were wanted."""
        plan, H = self.shape.library.plan, self.output.shape[2]
        found = dict(zip(plan.equations.owns, self.owns, strict=True))
        for own, gate in plan.own_of_gate.items():
            place = plan.equations.gates.index(gate)
            found[own].copy_(self.bias[place * H : (place + 1) * H])
        for own, other in plan.own_of_own.items():
            found[own].copy_(found[other])
        return self.wanted


def _chunks(shape: Shape, x: Tensor, H: int) -> list[tuple[int, int]]:
    """Return the first and the end of each chunk's steps; only the first chunk may be shorter."""
    B, T, I = x.shape
    bytes_a_step = B * shape.library.tape_stride(I, H) * x.element_size()
    steps = steps_kept(T, bytes_a_step, shape.budget)
    return [(max(0, end - steps), end) for end in reversed(range(T, 0, -steps))]


def steps_kept(T: int, bytes_a_step: int, budget: int | None) -> int:
    """Return how many steps' kept values fit into the budget at once: √T of them at least."""
    if budget is None:
        return T
    return min(T, max(budget // max(1, bytes_a_step), math.isqrt(T), 1))


def _new_tape(shape: Shape, x: Tensor, H: int, chunk: tuple[int, int]) -> Tensor:
    tokens = len(x) * (chunk[1] - chunk[0])
    if shape.lengths is not None:
        tokens = int((shape.lengths.clamp(max=chunk[1]) - chunk[0]).clamp(min=0).sum())
    numbers = tokens * shape.library.tape_stride(x.shape[2], H)
    return empty((numbers,), x.dtype)


def _call(
    shape: Shape,
    flat: Sequence[Tensor],
    output: Tensor,
    chunk: tuple[int, int],
    before: Sequence[Tensor],
    last: Sequence[Tensor],
) -> CallFields:
    x, W_F, bias, W_R, owns, _ = split_arguments(shape.library.plan.equations, flat)
    B, T, I = x.shape
    return CallFields(
        B=B,
        T=T,
        I=I,
        H=output.shape[2],
        all=output.shape[2],
        reverse=int(shape.reverse),
        threads=shape.threads,
        start=chunk[0],
        stop=chunk[1],
        parallel=openmp() if os.getpid() == _loaded_in else None,  # a fork has no team
        lengths=address(shape.lengths),
        x=address(x),
        W_F=address(W_F),
        bias=address(bias) if shape.has_bias else None,
        W_R=pointers(W_R),
        own=pointers(owns),
        noise=pointers(shape.noises),
        initial=pointers(before),
        output=address(output),
        last=pointers(last),
    )

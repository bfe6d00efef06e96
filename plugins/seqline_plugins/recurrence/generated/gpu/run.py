"""A cell over time by its Triton kernels: a function that torch can differentiate.

Letters: B batch, T time, I input size, H hidden size, N = T·B tokens in the order of time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from seqline_plugins.cell import GatedCell
from seqline_plugins.recurrence.generated.gpu.program import Program
from seqline_plugins.recurrence.generated.gpu.session import Lease, Session, Size, multiply
from seqline_plugins.recurrence.generated.parameters import own_parameter, recurrent_matrix
from seqline_plugins.recurrence.generated.run import steps_kept
from seqline_plugins.recurrence.generated.twice import differentiable_gradients, split_arguments
from seqline_plugins.recurrence.kernels import reverse as reversed_within
from seqline_plugins.recurrence.weights import GateWeights

State = dict[str, Tensor]


@dataclass(frozen=True)
class Call:
    """What a call has beside the tensors that may have a gradient."""

    program: Program
    lengths: Tensor | None
    noises: tuple[Tensor, ...]
    keeps: bool
    """Whether to keep what a backward pass needs, which else runs forward again."""


def run_on_gpu(
    program: Program,
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

    With a budget of bytes for what the backward pass needs, chunks of steps are run again for it.
    """
    with torch.autocast(x.device.type, enabled=False):
        return _run(program, cell, weights, x, lengths, state, reverse, budget)


def _run(
    program: Program,
    cell: GatedCell,
    weights: GateWeights,
    x: Tensor,
    lengths: Tensor | None,
    state: State,
    reverse: bool,
    budget: int | None,
) -> tuple[Tensor, State]:
    equations, plan = program.plan.equations, program.plan
    bounds = None if lengths is None else lengths.to(x.device, torch.int64)
    fed = weights.windows(x, state)
    if bounds is not None:  # whatever stands in the padding, NaN too, never reaches a product
        steps = torch.arange(x.shape[1], device=x.device)
        fed = torch.where((steps < bounds.unsqueeze(-1)).unsqueeze(-1), fed, 0)
    fed = reversed_within(fed, bounds) if reverse else fed
    W_R = [recurrent_matrix(weights, product.gates) for product in plan.products]
    owns = [own_parameter(weights, name) for name in equations.owns]
    drawn = weights.draw_noise(x)
    before = [state[name] for name in cell.state]
    given = [weights.matrix_of_fed(), weights.bias_of_fed(), *W_R, *owns]
    H, kept = before[0].shape[1], plan.slots + len(equations.states)
    size = steps_kept(x.shape[1], x.shape[0] * H * kept * x.element_size(), budget)
    keeps = torch.is_grad_enabled() and size >= x.shape[1]
    outputs = []
    for start in range(0, x.shape[1], size):
        call = Call(
            program,
            None if bounds is None else bounds - start,
            tuple(drawn[name][:, start : start + size] for name in equations.noises),
            keeps,
        )
        flat = (fed[:, start : start + size], *given, *before)
        output, *before = _Recurrence.apply(call, *flat)  # type: ignore[no-untyped-call]
        outputs.append(output)
    output = torch.cat(outputs, dim=1) if len(outputs) > 1 else outputs[0]
    output = reversed_within(output, bounds) if reverse else output
    return output, dict(zip(cell.state, before, strict=True))


class _Recurrence(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, call: Call, *flat: Tensor) -> tuple[Tensor, ...]:
        keeps = call.keeps and any(ctx.needs_input_grad)
        lease = _started(call, flat, keeps)
        session = lease.session
        by_row = session.buffers["history"][1:].transpose(0, 1)
        output = by_row.clone(memory_format=torch.contiguous_format)
        ctx.call, ctx.lease = call, lease if keeps else None
        ctx.save_for_backward(*flat)
        ctx.set_materialize_grads(False)
        return (output, *(one.clone() for one in session.last()))

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        flat, call = ctx.saved_tensors, ctx.call
        needed = ctx.needs_input_grad[1:]
        if torch.is_grad_enabled():
            options = {"noises": call.noises, "lengths": call.lengths, "reverse": False}
            equations = call.program.plan.equations
            return (None, *differentiable_gradients(equations, flat, needed, grads, **options))
        # used up by an earlier backward pass: then all is run again
        lease, ctx.lease = ctx.lease or _started(call, flat, True), None
        with torch.cuda.device_of(flat[0]):
            _go_back(lease.session, grads)
            return (None, *_gradients(lease.session, flat, needed))


def _started(call: Call, flat: Sequence[Tensor], keeps: bool) -> Lease:
    """Return a session that has run forward."""
    plan = call.program.plan
    x, W_F, bias, W_R, owns, initial = split_arguments(plan.equations, flat)
    B, T, _ = x.shape
    with torch.cuda.device_of(x):
        lease = Lease(call.program, Size(B, T, initial[0].shape[1], x.device, keeps))
        session = lease.session
        of = session.buffers
        if call.lengths is None:
            of["lengths"].fill_(T)
        else:
            of["lengths"].copy_(call.lengths.unsqueeze(-1))
        _put(of["initial"], initial)
        for name, tensors in (("owns", owns), ("noises", [n.transpose(0, 1) for n in call.noises])):
            if name in of:
                _put(of[name], tensors)
        if "input" in of:
            of["input"].copy_(x[..., : session.size.H].transpose(0, 1))  # then windows
        for p, matrix in enumerate(W_R):
            of[f"W_{p}"].copy_(matrix)
        fed = session.slots(plan.fed_slot, len(plan.equations.gates))
        product = call.program.product
        if fed.numel():
            multiply(_tokens(x).to(product), W_F.to(product).T, fed)
            fed.add_(bias)
        session.forward()
    return lease


def _put(buffer: Tensor, tensors: Sequence[Tensor]) -> None:
    for place, tensor in zip(buffer, tensors, strict=True):
        place.copy_(tensor)


def _tokens(x: Tensor) -> Tensor:
    """Return (B, T, I) as (N, I)."""
    return x.transpose(0, 1).reshape(-1, x.shape[2])


def _go_back(session: Session, grads: Sequence[Tensor | None]) -> None:
    of, T = session.buffers, session.size.T
    for buffer, grad in zip(of["grads"][T % 2], grads[1:], strict=True):
        buffer.zero_() if grad is None else buffer.copy_(grad)
    if grads[0] is None:
        of["output_grad"].zero_()
    else:
        of["output_grad"].copy_(grads[0].transpose(0, 1))
    session.backward()


def _gradients(
    session: Session, flat: Sequence[Tensor], needed: Sequence[bool]
) -> list[Tensor | None]:
    """Return the gradients of all arguments; those of weights by one product over all tokens."""
    plan, of = session.plan, session.buffers
    equations, product = plan.equations, session.program.product
    x, W_F, _, W_R, owns, _ = split_arguments(equations, flat)
    of_x, of_W_F, _, of_W_R, _, _ = split_arguments(equations, needed)
    B, T, I = x.shape
    fed = session.slots(plan.fed_grad_slot, len(equations.gates))
    d_bias = fed.sum(0)
    d_x = d_W_F = None
    if of_x:
        d_x = _product(fed.to(product), W_F.to(product), x).view(T, B, I).transpose(0, 1)
        if plan.derivative.input is not None:
            d_x[..., : session.size.H] += of["input_grad"].transpose(0, 1)
    if of_W_F:
        d_W_F = _product(fed.T.to(product), _tokens(x).to(product), x)
    d_W_R = [
        _of_matrix(session, p) if wanted else None
        for p, wanted in zip(range(len(W_R)), of_W_R, strict=True)
    ]
    d_owns = _of_owns(session, d_bias, owns)
    return [d_x, d_W_F, d_bias, *d_W_R, *d_owns, *(one.clone() for one in of["grads"][0])]


def _product(a: Tensor, b: Tensor, like: Tensor) -> Tensor:
    out = like.new_empty(a.shape[0], b.shape[1])
    multiply(a, b, out)
    return out


def _of_matrix(session: Session, p: int) -> Tensor:
    """Return dL/dW of a product: its gradient and its operand, over all tokens."""
    plan, of, H = session.plan, session.buffers, session.size.H
    slots, operand = plan.grad_slots[p], plan.products[p].operand
    if slots == list(range(slots[0], slots[0] + len(slots))):
        grad = session.slots(slots[0], len(slots))
    else:
        grad = torch.cat([session.slots(slot) for slot in slots], dim=1)
    if operand.op != "state":
        read = session.slots(plan.operand_slots[p])
    elif operand.value == plan.equations.states[0]:
        read = of["history"][:-1].view(-1, H)
    else:
        s = plan.equations.states.index(str(operand.value))
        after = session.slots(plan.state_slots[s])
        read = torch.cat([of["initial"][s], after])[: len(after)]
    product = session.program.product
    return _product(grad.T.to(product), read.to(product), of["history"])


def _of_owns(session: Session, d_bias: Tensor, owns: Sequence[Tensor]) -> list[Tensor]:
    plan, H = session.plan, session.size.H
    equations = plan.equations
    found: dict[str, Tensor] = {}
    for place, name in enumerate(equations.owns):
        if name in plan.own_of_gate:
            gate = equations.gates.index(plan.own_of_gate[name])
            found[name] = d_bias[gate * H : (gate + 1) * H]
        elif name in plan.derivative.own and name not in plan.own_of_own:
            found[name] = session.buffers["own_grads"][place].sum(0)
    for name, other in plan.own_of_own.items():
        found[name] = found[other]
    return [
        found.get(n, torch.zeros_like(own)) for n, own in zip(equations.owns, owns, strict=True)
    ]

"""Checks of an architecture over a sequence: its padding, its parts, the rows of its batch.

Letters: B batch, T time, I features per step, H hidden features.
"""

from __future__ import annotations

import torch

from seqline_plugins.conformance.architectures.reading import (
    CARRIED,
    build_causal,
    check_same,
    check_same_state,
    encode,
    first_state,
    is_aligned,
    read,
    read_steps,
)
from seqline_plugins.conformance.subject import ArchitectureSubject, inputs
from seqline_plugins.conformance.verdict import Checks, NotApplicableError, WrongError

CHECKS = Checks()
LENGTHS = [5, 1, 4, 3]
PADDING = (
    "Give `lengths` to every recurrence, reverse by length and not by flip, mask before a mean, a "
    "sum or a softmax over time."
)
CAUSAL = (
    "Read forward only and shift nothing, or say that it looks ahead: is_causal(config) → False."
)


@CHECKS.add
def padding_never_leaks(one: ArchitectureSubject) -> None:
    """What stands past a row's length, and how much, changes no valid output and no state."""
    if one.plugin.kind.input == "entity":
        raise NotApplicableError("an entity is one step, there is no padding")
    net, x = one.build(), inputs(4, 5, 3)
    padding = (torch.arange(5) >= torch.tensor(LENGTHS).unsqueeze(-1)).unsqueeze(-1)
    wanted, state = read(one, net, x.masked_fill(padding, 0), LENGTHS)
    wider = torch.cat([x.masked_fill(padding, 7.0), x], dim=1).requires_grad_()
    found, after = read(one, net, wider, LENGTHS)
    if one.plugin.kind.output == "aligned":
        found = found[:, :5].masked_fill(padding, 0)
        wanted = wanted.masked_fill(padding, 0)
    check_same("with other padding the output", found, wanted, PADDING)
    for name, tensor in state.items():
        if name not in one.plugin.lasting and tensor.is_floating_point():
            there = after[name]
            if there.dim() == tensor.dim() > 1 and bool((there[:, tensor.shape[1] :] == 0).all()):
                there = there[:, : tensor.shape[1]]  # as wide as the input, nothing in its padding
            check_same(f"with other padding the state '{name}'", there, tensor, PADDING)
    (gradient,) = torch.autograd.grad(found.sum(), wider)
    if bool(gradient[:, 5:].any()) or bool(gradient[:, :5].masked_select(padding).any()):
        raise WrongError(f"the gradient of the padding is not zero. {PADDING}")


@CHECKS.add
def written_padding_never_leaks(one: ArchitectureSubject) -> None:
    """What stands past a written row's length changes none of its steps."""
    if not one.writes:
        raise NotApplicableError("it writes no sequence of its own")
    net, x, fed = one.build(), inputs(3, one.steps(4), 3), inputs(3, 5, 3, seed=8)
    lengths = torch.tensor([5, 2, 3])
    padding = (torch.arange(5) >= lengths.unsqueeze(-1)).unsqueeze(-1)
    outputs = [
        net(fed.masked_fill(padding, value), lengths, net.encode(x))[0].masked_fill(padding, 0)
        for value in (0.0, 9.0)
    ]
    check_same("with other padding what is written", outputs[1], outputs[0], PADDING)


@CHECKS.add
def causality_is_as_declared(one: ArchitectureSubject) -> None:
    """No output of a causal one, and no step written, depends on a later input."""
    net = build_causal(one, "it is never causal, and says so")
    length = 6 if one.writes else one.steps(6)
    x = inputs(2, length, 3).requires_grad_()
    begin = encode(one, net, 2)
    for t in range(length - 1):
        early = read_steps(one, net, x[:, : t + 1], begin)[:, : t + 1]
        late = read_steps(one, net, x, begin)[:, : t + 1] if is_aligned(one) else early
        check_same(f"read only up to step {t} the output", early, late, CAUSAL)
        if is_aligned(one):
            (gradient,) = torch.autograd.grad(late.sum(), x)
            if bool(gradient[:, t + 1 :].any()):
                raise WrongError(f"an output at step {t} changes with a later input. {CAUSAL}")


@CHECKS.add
def chunks_and_steps_equal_the_whole(one: ArchitectureSubject) -> None:
    """At once, in two parts with the state carried, and by `step`: one computation."""
    net = build_causal(one, "it is never causal: it has no single step")
    length = 5 if one.writes else one.steps(5)
    x = inputs(3, length, 3)
    begin = encode(one, net, 3)
    whole, last = net(x, None, begin)
    if length > 1:
        first, state = net(x[:, :2], None, begin)
        second, after = net(x[:, 2:], None, state)
        joined = torch.cat([first, second], 1) if is_aligned(one) else second
        check_same("in two parts the output", joined, whole, CARRIED)
        check_same_state("in two parts", after, last)
    state = net.initial_state(3) if begin is None else begin
    outputs = []
    for t in range(length):
        output, state = net.step(x[:, t], state)
        outputs.append(output)
    stepped = torch.stack(outputs, 1) if is_aligned(one) else outputs[-1]
    check_same("step by step the output", stepped, whole, CARRIED)
    check_same_state("step by step", state, last)


@CHECKS.add
def rows_of_a_batch_are_independent(one: ArchitectureSubject) -> None:
    """A row gives the same alone as beside others."""
    net, x = one.build(), inputs(4, one.steps(4), 3)
    together, _ = read(one, net, x)
    for row in range(4):
        alone, _ = read(one, net, x[row : row + 1], row=row)
        message = "Take no mean, norm or sort over the batch (dimension 0)."
        check_same("alone the output of a row", alone, together[row : row + 1], message)


@CHECKS.add
def nothing_is_kept_between_calls(one: ArchitectureSubject) -> None:
    """The same input gives the same after another one was seen."""
    net, x = one.build(), inputs(3, one.steps(4), 3)
    first, _ = read(one, net, x)
    read(one, net, inputs(3, one.steps(4), 3, seed=9) * 3)
    again, _ = read(one, net, x)
    message = "What goes from step to step belongs into the state, never on self."
    check_same("after another input the output", again, first, message)


@CHECKS.add
def chosen_rows_go_on_as_they_would_have(one: ArchitectureSubject) -> None:
    """`reorder` keeps, copies and drops rows of everything, as a beam does."""
    net = build_causal(one, "it is never causal: no search steps through it")
    length = 5 if one.writes else one.steps(5)
    x, rows = inputs(3, length, 3), torch.tensor([2, 0, 2, 1])
    state = first_state(one, net, 3)
    _, state = net.step(x[:, 0], state)
    wanted, _ = net.step(x[:, -1], state)
    kept = net.reorder(state, rows)
    message = "Choose the rows of every tensor of the state."
    lost = [name for name in state if name not in kept or len(kept[name]) != len(rows)]
    if lost:
        raise WrongError(f"reorder leaves out the state '{lost[0]}'. {message}")
    found, _ = net.step(x[rows, -1], kept)
    check_same("rows that a search chose: the output", found, wanted[rows], message)

"""Checks of a cell's equations: their shapes, their parameters, their gradients.

Letters: B batch, T time, I input size, H hidden size.
"""

from __future__ import annotations

import warnings

import torch
from torch import Tensor, nn
from torch.func import functional_call

from seqline_plugins.cell import GatedCell
from seqline_plugins.conformance.cells.stack import (
    LENGTHS,
    gated_cell,
    layer_of,
    random_state,
    short_name,
    weights_of,
)
from seqline_plugins.conformance.subject import CLOSE, CellSubject, inputs, learn, worst
from seqline_plugins.conformance.verdict import (
    Checks,
    NotApplicableError,
    WrongError,
    in_one_line,
)
from seqline_plugins.declarations import parameter_count
from seqline_plugins.recurrence import RecurrentStack

CHECKS = Checks()


@CHECKS.add
def shapes_are_batch_by_hidden(cell: CellSubject) -> None:
    """Outputs (B, T, H) and states with B rows, for B, T and H of 1 and odd."""
    for H in sorted({size for size in (1, 3) if cell.takes(size)} | {cell.hidden_size}):
        for B, T, size in ((1, 1, 1), (3, 5, 2), (1, 4, 3), (5, 1, 7)):
            stack = cell.stack(size, H)
            output, after = stack(inputs(B, T, size))
            if output.shape != (B, T, H):
                raise WrongError(
                    f"B={B}, T={T}, H={H}: outputs have the shape {tuple(output.shape)}, expected "
                    f"{(B, T, H)}: the first state must be (batch, hidden_size)."
                )
            for name, tensor in stack.initial_state(B).items():
                if after[name].shape != tensor.shape or len(tensor) != B:
                    raise WrongError(
                        f"B={B}, H={H}: the state '{short_name(name)}' begins with the shape "
                        f"{tuple(tensor.shape)} and ends with {tuple(after[name].shape)}: both "
                        "must be the same, the batch first."
                    )


@CHECKS.add
def parameters_are_what_the_gates_declare(cell: CellSubject) -> None:
    """The parameter law: as many numbers as the declared forms say."""
    if not cell.gated:
        raise NotApplicableError("a step cell declares no gates")
    for size in (3, cell.hidden_size):
        layer = layer_of(cell.stack(size))
        found = sum(p.numel() for p in layer.weights.parameters())
        wanted = parameter_count(layer.cell, size, cell.hidden_size)
        if found != wanted:
            raise WrongError(
                f"it has {found} parameters, its gates declare {wanted}: keep parameters in the "
                "gates and in `own`, make none in __init__."
            )
    extra = [
        name for name, value in vars(layer.cell).items() if isinstance(value, nn.Module | Tensor)
    ]
    if extra:
        raise WrongError(
            f"self.{extra[0]} is a module or a tensor of its own, which the host neither moves "
            "nor trains nor stores: declare it in `own`, or write a StepCell."
        )


@CHECKS.add
def every_parameter_learns(cell: CellSubject) -> None:
    """The gradient of every declared parameter is not zero."""
    stack, seen = cell.stack(), dict[str, bool]()
    for seed in range(3):
        found = learn(stack, inputs(3, 5, 3, seed), state=random_state(stack, 3))
        for name, parameter in stack.named_parameters():
            if parameter.numel():
                used = _used_rows(found[f"gradient of {name}"], name, stack)
                for part, one in used.items():
                    seen[part] = seen.get(part, False) or one
    idle = [name for name, used in seen.items() if not used]
    if idle:
        others = f"; nor does {', nor '.join(idle[1:])}" if len(idle) > 1 else ""
        raise WrongError(
            f"{idle[0]} never gets a gradient{others}: the equations do not read it, or cut it off "
            f"(detach, no_grad, .item()). Read it, or {_without(idle[0])}."
        )


@CHECKS.add
def gradients_are_those_of_finite_differences(cell: CellSubject) -> None:
    """torch's gradcheck, over inputs, states and parameters."""
    H = 2 if cell.takes(2) else cell.hidden_size
    stack = cell.stack(2, H)
    names = [name for name, p in stack.named_parameters() if p.numel()]
    parameters = [p.detach().clone().requires_grad_() for p in stack.parameters() if p.numel()]
    state = random_state(stack, 2)
    for tensor in state.values():
        tensor.requires_grad_(tensor.is_floating_point())
    x = inputs(2, 3, 2).requires_grad_()

    def run(x: Tensor, *given: Tensor) -> tuple[Tensor, ...]:
        weights = dict(zip(names, given[: len(names)], strict=True))
        before = dict(zip(state, given[len(names) :], strict=True))
        output, after = functional_call(stack, weights, (x, torch.tensor([3, 2]), before))
        return (output, *(t for t in after.values() if t.is_floating_point()))

    given = (x, *parameters, *state.values())
    try:
        torch.autograd.gradcheck(run, given, fast_mode=True, atol=1e-4)
    except RuntimeError as error:
        raise WrongError(
            "the gradient is not that of the outputs: look at your own autograd functions, at "
            f"detach() and at gates in another order backward ({in_one_line(error, 160)})."
        ) from error


@CHECKS.add
def kernels_equal_the_reference(cell: CellSubject) -> None:
    """What serves the cell here gives the plain loop's outputs and gradients, in float64."""
    if not cell.gated:
        raise NotApplicableError("a step cell is run by the plain loop")
    reference = cell.stack(direction="both")
    kernels = ["auto", *(["vendor"] if gated_cell(reference).vendor else [])]
    served = set()
    for kernel in kernels:
        fast = cell.stack(direction="both", kernel=kernel)
        fast.load_state_dict(reference.state_dict())
        x = inputs(4, 5, 3)
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            found = learn(fast, x, LENGTHS, random_state(reference, 4))
        served |= fast.served
        wanted = learn(reference, x, LENGTHS, random_state(reference, 4))
        name, distance = worst(found, wanted)
        if distance > CLOSE:
            raise WrongError(
                f"by the kernel {'+'.join(fast.served)} the {name} is {distance:.2g} from the "
                "plain loop's: the equations must give the same for the same numbers (no "
                "randomness, no state of their own), and `vendor` names a layer with the very "
                "same equations and gates in its order."
            )
    if served == {"reference"}:
        reason = str(said[-1].message) if said else "no compiled code is to be had on this machine"
        raise NotApplicableError(reason)


def _without(idle: str) -> str:
    """Say how a cell does without something that it declares."""
    if " of the gate " in idle:
        return 'leave the gate out of `gates`, or that part of it (bias=False, recurrent="none")'
    if "own parameter" in idle:
        return "leave it out of `own`"
    return "make none"


def _used_rows(gradient: Tensor, name: str, stack: RecurrentStack) -> dict[str, bool]:
    """Say of each gate's part of a parameter whether anything of it has a gradient."""
    layer, short = layer_of(stack), short_name(name)
    if not isinstance(layer.cell, GatedCell):
        return {short: bool(gradient.any())}
    weights = weights_of(stack)
    biased = tuple(gate.name for gate in weights.gates if gate.bias)
    second = tuple(gate.name for gate in weights.gates if gate.recurrent_bias)
    names = {
        "W_F": tuple(gate.name for gate in weights.fed),
        "W_R": weights.full,
        "bias": biased,
        "recurrent_bias": second,
    }.get(short)
    if names is None:
        own = f"the own parameter '{short}'" if short in layer.cell.own else short
        return {own: bool(gradient.any())}
    parts = zip(names, gradient.split(weights.hidden_size), strict=False)
    return {f"{short} of the gate '{gate}'": bool(part.any()) for gate, part in parts}

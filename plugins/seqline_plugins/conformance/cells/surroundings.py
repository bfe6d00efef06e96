"""Checks of a cell where it runs: seed, precision, device, exporter, memory, options.

Letters: B batch, T time, I input size, H hidden size.
"""

from __future__ import annotations

import warnings
from dataclasses import Field
from typing import Any

import torch

from seqline_plugins.conformance.cells.stack import (
    check_equal,
    gated_cell,
    random_state,
    short_name,
    weights_of,
)
from seqline_plugins.conformance.options import config_of, try_values
from seqline_plugins.conformance.probes import check_memory, export_step, run_elsewhere
from seqline_plugins.conformance.subject import CellSubject, apart, inputs, learn
from seqline_plugins.conformance.verdict import Checks, WrongError, in_one_line
from seqline_plugins.errors import UserError
from seqline_plugins.recurrence import RecurrentStack

CHECKS = Checks()


@CHECKS.add
def seed_decides_everything(cell: CellSubject) -> None:
    """The same seed gives the same weights, and the same outputs in training too."""
    one, two = cell.stack(), cell.stack()
    for name, tensor in one.state_dict().items():
        if not torch.equal(tensor, two.state_dict()[name]):
            raise WrongError(
                f"{short_name(name)} begins otherwise with the same seed: draw with torch's own "
                "functions, not with random, numpy or a generator of your own."
            )
    runs = []
    for stack in (one, two):
        stack.train()
        torch.manual_seed(5)
        runs.append(stack(inputs(3, 4, 3))[0])
    if not torch.equal(runs[0], runs[1]):
        raise WrongError(
            "with the same seed two runs in training differ: draw with torch's own functions "
            "(a gated cell: declare `noise`)."
        )


@CHECKS.add
def outside_training_nothing_is_drawn(cell: CellSubject) -> None:
    """Evaluation is the same each time; what training draws is declared."""
    stack, x = cell.stack(), inputs(3, 4, 3)
    torch.manual_seed(1)
    first, _ = stack(x)
    second, _ = stack(x)
    if not torch.equal(first, second):
        raise WrongError(
            "two evaluations of one input differ: something is drawn outside training. A gated "
            "cell declares its randomness, noise = {'keep': Noise(0.9)}; a step cell asks "
            "self.training."
        )
    if not cell.gated:
        return
    stack.train()
    torch.manual_seed(1)
    training, _ = stack(x)
    if not gated_cell(stack).noise and not torch.equal(training, first):
        raise WrongError(
            "training differs from evaluation, but the cell declares no `noise`: what is drawn "
            "by the equations themselves is lost when a run is continued."
        )


@CHECKS.add
def precision_and_device_are_those_of_the_weights(cell: CellSubject) -> None:
    """bfloat16 stays bfloat16, and no tensor is made on another device."""
    half = cell.stack().to(torch.bfloat16)
    output, after = half(inputs(3, 4, 3).to(torch.bfloat16))
    for name, tensor in {"output": output, **after}.items():
        if tensor.is_floating_point() and tensor.dtype != torch.bfloat16:
            raise WrongError(
                f"weights in bfloat16 give {short_name(name)} in {tensor.dtype}: a tensor that the "
                "equations make has a precision of its own; make it from one that is there, as in "
                "torch.zeros_like(t.state.h) or t.state.h.new_zeros(…)."
            )
    output = run_elsewhere(
        lambda far: cell.stack().to("meta")(far)[0],
        4,
        "as in t.state.h.new_zeros(…), and ask for no tensor's value (.item(), if).",
    )
    if output.device.type != "meta":
        raise WrongError(f"on another device its output comes from {output.device}.")


@CHECKS.add
def bfloat16_is_near_float64(cell: CellSubject) -> None:
    """Half precision gives the same up to its rounding, and nothing overflows."""
    stack, x = cell.stack(), inputs(3, 6, 3)
    wanted, _ = stack(x)
    found, _ = stack.to(torch.bfloat16)(x.to(torch.bfloat16))
    bound = 0.1 * max(1.0, float(wanted.detach().abs().max()))
    if not bool(found.isfinite().all()) or apart(found, wanted) > bound:
        raise WrongError(
            f"in bfloat16 the outputs are {apart(found, wanted):.2g} off (at most {bound:.2g} is "
            "rounding): subtract the largest before exp, divide by nothing that can vanish."
        )


@CHECKS.add
def large_inputs_stay_finite(cell: CellSubject) -> None:
    """No infinity and no NaN from inputs a thousand times the usual, nor in their gradients.

    In float32, as they are trained.
    """
    stack = cell.stack().float()
    found = learn(stack, inputs(2, 8, 3).float() * 1000)
    bad = [name for name, tensor in found.items() if not bool(tensor.isfinite().all())]
    if bad:
        raise WrongError(
            f"inputs of size 1000 make the {short_name(bad[0])} infinite or NaN: keep exponents "
            "below a bound (subtract the largest, as in a softmax) and divisors above one."
        )


@CHECKS.add
def one_step_exports(cell: CellSubject) -> None:
    """`torch.export` takes one step, for any batch, and gives the same."""
    stack = cell.stack()
    x_t, state = inputs(2, 1, 3)[:, 0], random_state(stack, 2)
    for found, wanted in export_step(stack, x_t, state, any_batch=True):
        check_equal("one step as exported", found, wanted)


@CHECKS.add
def compiled_steps_equal_plain_ones(cell: CellSubject) -> None:
    """`torch.compile`'s tracing of a step changes nothing."""
    stack = cell.stack()
    x_t, state = inputs(2, 1, 3)[:, 0], random_state(stack, 2)
    wanted, _ = stack.step(x_t, state)
    torch._dynamo.reset()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found, _ = torch.compile(stack.step, backend="eager", dynamic=False)(x_t, state)
    except UserError:
        raise  # it says what is wrong itself
    except Exception as error:  # torch raises many kinds, all about the plugin's code
        said = in_one_line(error, 120)
        raise WrongError(f"torch.compile fails on a step ({said}).") from error
    finally:
        torch._dynamo.reset()
    check_equal("one step as torch.compile traces it", found, wanted)


@CHECKS.add
def given_tensors_are_not_written_into(cell: CellSubject) -> None:
    """Inputs, states and weights are the same after a call."""
    stack, x = cell.stack(), inputs(3, 4, 3)
    state = random_state(stack, 3)
    before = {"x": x.clone(), **{n: t.clone() for n, t in state.items()}}
    before |= {name: p.detach().clone() for name, p in stack.named_parameters()}
    try:
        with torch.no_grad():
            stack(x, None, state)
            stack.step(x[:, 0], state)
    finally:
        after = {"x": x, **state, **dict(stack.named_parameters())}
    for name, tensor in before.items():
        if not torch.equal(after[name].detach(), tensor):
            raise WrongError(
                f"{short_name(name)} is written into: use no operation in place (+=, names that "
                "end in _, indexing on the left)."
            )
    if cell.gated:
        _equations_write_into_nothing(cell, stack)


@CHECKS.add
def memory_does_not_grow_with_steps(cell: CellSubject) -> None:
    """Nothing is collected: as many tensors live after many steps as after a few."""
    stack = cell.stack()
    state = stack.initial_state(2)

    def step() -> None:
        nonlocal state
        _, state = stack.step(inputs(2, 1, 3)[:, 0], state)

    check_memory(step, "steps", "the cell")


@CHECKS.add
def every_value_of_an_option_works_or_is_refused(cell: CellSubject) -> None:
    """The ends of each range, every choice, both of true and false: it runs and stays finite."""

    def build(given: dict[str, Any]) -> RecurrentStack:
        try:
            return cell.stack(options=given, hidden_size=cell.hidden_size)
        except UserError:
            raise  # some are `ValueError`s too
        except ValueError as error:
            ((name, value),) = given.items()
            raise WrongError(
                f"{name}={value} is taken and then fails ({error}): give the option a range."
            ) from error

    try_values(config_of(cell), _values, build, lambda stack: stack(inputs(2, 3, 3))[0])


def _values(field: Field[Any]) -> list[Any]:
    """Return values of an option worth trying."""
    limits, default = field.metadata, field.default
    if "choices" in limits:
        return list(limits["choices"])
    if isinstance(default, bool):
        return [True, False]
    if not isinstance(default, int | float):
        return []
    kind = type(default)
    lowest = limits.get("low", limits.get("above"))
    ends = [lowest, limits.get("high")]
    if lowest is None:
        ends += [-1, 0]
    if limits.get("high") is None:
        ends.append(default + 1)
    tried = [kind(value) for value in ends if value is not None]
    return [value for value in tried if value != limits.get("above")]


def _equations_write_into_nothing(cell: CellSubject, stack: RecurrentStack) -> None:
    weights = weights_of(stack)
    state = dict(zip(gated_cell(stack).state, random_state(stack, 2).values(), strict=False))
    x = inputs(2, 1, 3)
    fed = weights.feed_forward(x, weights.initial_past(2))[:, 0].detach()
    drawn = {name: draws[:, 0] for name, draws in weights.draw_noise(x).items()}
    kept = fed.clone()
    with torch.no_grad():
        gated_cell(stack).equations(weights.timestep(x[:, 0], fed, state, drawn))
    if not torch.equal(fed, kept):
        raise WrongError(
            "the equations write into t.x, the gates' feed-forward parts: use no operation in "
            "place (+=, names that end in _)."
        )

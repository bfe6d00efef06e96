"""Checks of a cell, gated or not: run by the host's plain loop, in float64, on small sizes.

Letters: B batch, T time, I input size, H hidden size.
"""

from __future__ import annotations

import warnings
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from seqline_plugins.cell import GatedCell, StepCell, parameter_count
from seqline_plugins.conformance import options
from seqline_plugins.conformance.subject import (
    CellSubject,
    apart,
    growth,
    inputs,
    learn,
    worst,
)
from seqline_plugins.conformance.verdict import Checks, NotApplicableError, WrongError
from seqline_plugins.errors import UserError
from seqline_plugins.recurrence import RecurrentStack
from seqline_plugins.recurrence.weights import GateWeights

CHECKS = Checks(options.CHECKS)
CLOSE = 1e-9
LENGTHS = [5, 0, 1, 3]
STEPS = 20


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
                        f"B={B}, H={H}: the state '{_short(name)}' begins with the shape "
                        f"{tuple(tensor.shape)} and ends with {tuple(after[name].shape)}: both "
                        "must be the same, the batch first."
                    )


@CHECKS.add
def parameters_are_what_the_gates_declare(cell: CellSubject) -> None:
    """The parameter law: as many numbers as the declared forms say."""
    if not cell.gated:
        raise NotApplicableError("a step cell declares no gates")
    for size in (3, cell.hidden_size):
        layer = _layer(cell.stack(size))
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
        found = learn(stack, inputs(3, 5, 3, seed), state=_random_state(stack, 3))
        for name, parameter in stack.named_parameters():
            if parameter.numel():
                used = _used_rows(found[f"gradient of {name}"], name, stack)
                for part, one in used.items():
                    seen[part] = seen.get(part, False) or one
    idle = [name for name, used in seen.items() if not used]
    if idle:
        raise WrongError(
            f"{idle[0]} never gets a gradient: the equations do not read it, or cut it off "
            "(detach, no_grad, .item()). Read it, or declare it away (bias=False, "
            'recurrent="none").'
        )


@CHECKS.add
def gradients_are_those_of_finite_differences(cell: CellSubject) -> None:
    """torch's gradcheck, over inputs, states and parameters."""
    H = 2 if cell.takes(2) else cell.hidden_size
    stack = cell.stack(2, H)
    names = [name for name, p in stack.named_parameters() if p.numel()]
    parameters = [p.detach().clone().requires_grad_() for p in stack.parameters() if p.numel()]
    state = _random_state(stack, 2)
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
        said = " ".join(str(error).split())[:160]
        raise WrongError(
            "the gradient is not that of the outputs: look at your own autograd functions, at "
            f"detach() and at gates in another order backward ({said})."
        ) from error


@CHECKS.add
def kernels_equal_the_reference(cell: CellSubject) -> None:
    """What serves the cell here gives the plain loop's outputs and gradients, in float64."""
    if not cell.gated:
        raise NotApplicableError("a step cell is run by the plain loop")
    reference = cell.stack(direction="both")
    kernels = ["auto", *(["vendor"] if _gated(reference).vendor else [])]
    served = set()
    for kernel in kernels:
        fast = cell.stack(direction="both", kernel=kernel)
        fast.load_state_dict(reference.state_dict())
        x = inputs(4, 5, 3)
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            found = learn(fast, x, LENGTHS, _random_state(reference, 4))
        served |= fast.served
        wanted = learn(reference, x, LENGTHS, _random_state(reference, 4))
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


@CHECKS.add
def padding_never_leaks(cell: CellSubject) -> None:
    """What stands in the padding, and how much there is, changes nothing, in either direction."""
    for direction in ("forward", "backward"):
        stack, x = cell.stack(direction=direction), inputs(4, 5, 3)
        padding = torch.arange(5) >= torch.tensor(LENGTHS).unsqueeze(-1)
        wanted = learn(stack, x.masked_fill(padding.unsqueeze(-1), 0), LENGTHS)
        wider = torch.cat([x.masked_fill(padding.unsqueeze(-1), 7.0), x], dim=1)
        found = learn(stack, wider, LENGTHS)
        found |= {name: found[name][:, :5] for name in ("output", "gradient of x")}
        name, distance = worst(found, wanted)
        if distance > CLOSE:
            raise WrongError(
                f"{direction}: with other padding the {name} changes by {distance:.2g}: a step may "
                "read its own row, x_t and the state, nothing else."
            )


@CHECKS.add
def chunks_and_steps_equal_the_whole(cell: CellSubject) -> None:
    """The sequence at once, in two parts with the state carried, and step by step are one."""
    stack, x = cell.stack(num_layers=2), inputs(3, 5, 3)
    whole, last = stack(x)
    first, state = stack(x[:, :2])
    second, after = stack(x[:, 2:], None, state)
    _equal("in two parts", torch.cat([first, second], 1), whole)
    state, outputs = stack.initial_state(3), []
    for t in range(5):
        output, state = stack.step(x[:, t], state)
        outputs.append(output)
    _equal("step by step", torch.stack(outputs, 1), whole)
    for name, tensor in last.items():
        _equal(f"state '{_short(name)}' in two parts", after[name], tensor)
        _equal(f"state '{_short(name)}' step by step", state[name], tensor)


@CHECKS.add
def rows_of_a_batch_are_independent(cell: CellSubject) -> None:
    """A row gives the same alone, beside others, and in another place of the batch."""
    stack, x = cell.stack(), inputs(4, 4, 3)
    together, after = stack(x)
    for row in range(4):
        alone, state = stack(x[row : row + 1])
        named = {"output": together[row : row + 1]}
        named |= {f"state '{_short(n)}'": t[row : row + 1] for n, t in after.items()}
        given = {"output": alone} | {f"state '{_short(n)}'": t for n, t in state.items()}
        name, distance = worst(given, named)
        if distance > CLOSE:
            raise WrongError(
                f"the {name} of a row is {distance:.2g} apart alone and beside others: take no "
                "mean, sum, sort or norm over the batch (dimension 0), and keep no state that "
                "the rows share."
            )


@CHECKS.add
def nothing_is_kept_between_calls(cell: CellSubject) -> None:
    """The same input gives the same after another one was seen."""
    stack, x = cell.stack(), inputs(3, 4, 3)
    first, _ = stack(x)
    stack(inputs(3, 4, 3, seed=9) * 3)
    stack.step(inputs(3, 1, 3, seed=4)[:, 0], stack.initial_state(3))
    again, _ = stack(x)
    if apart(again, first) > 0:
        raise WrongError(
            f"after another input the same one gives outputs {apart(again, first):.2g} away: what "
            "goes from step to step belongs into `state`, never on self."
        )


@CHECKS.add
def chosen_rows_go_on_as_they_would_have(cell: CellSubject) -> None:
    """Rows of a state kept, copied and dropped, as a beam does, go on rightly."""
    stack, x = cell.stack(), inputs(3, 5, 3)
    whole, _ = stack(x)
    _, state = stack(x[:, :3])
    rows = torch.tensor([2, 0, 2, 1])
    kept = {name: tensor.index_select(0, rows) for name, tensor in state.items()}
    _equal("rows that a search chose", stack(x[rows, 3:], None, kept)[0], whole[rows, 3:])


@CHECKS.add
def seed_decides_everything(cell: CellSubject) -> None:
    """The same seed gives the same weights, and the same outputs in training too."""
    one, two = cell.stack(), cell.stack()
    for name, tensor in one.state_dict().items():
        if not torch.equal(tensor, two.state_dict()[name]):
            raise WrongError(
                f"{_short(name)} begins otherwise with the same seed: draw with torch's own "
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
    if not _gated(stack).noise and not torch.equal(training, first):
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
                f"weights in bfloat16 give {_short(name)} in {tensor.dtype}: a tensor that the "
                "equations make has a precision of its own; make it from one that is there, as in "
                "torch.zeros_like(t.state.h) or t.state.h.new_zeros(…)."
            )
    try:
        far = cell.stack().to("meta")
        output, _ = far(torch.empty(3, 4, 3, dtype=torch.float64, device="meta"))
    except RuntimeError as error:
        said = " ".join(str(error).split())[:120]
        raise WrongError(
            f"moved to another device it fails ({said}): make tensors from those that are there, "
            "as in t.state.h.new_zeros(…), and ask for no tensor's value (.item(), if)."
        ) from error
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
            f"inputs of size 1000 make the {_short(bad[0])} infinite or NaN: keep exponents below "
            "a bound (subtract the largest, as in a softmax) and divisors above one."
        )


@CHECKS.add
def one_step_exports(cell: CellSubject) -> None:
    """`torch.export` takes one step, for any batch, and gives the same."""
    stack = cell.stack()
    names = tuple(stack.initial_state(1))

    class Step(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stack = stack

        def forward(self, x_t: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
            output, after = self.stack.step(x_t, dict(zip(names, state, strict=True)))
            return (output, *after.values())

    given = (inputs(2, 1, 3)[:, 0], *_random_state(stack, 2).values())
    rows = torch.export.Dim("rows", min=2, max=1024)
    shapes: Any = ({0: rows}, tuple({0: rows} for _ in names))
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            exported = torch.export.export(Step(), given, dynamic_shapes=shapes, strict=False)
            found = exported.module()(*_rows(given, 3))
    except Exception as error:  # the exporter raises many kinds, all about the plugin's code
        said = " ".join(str(error).split())[:120]
        raise WrongError(
            f"torch.export refuses a step ({type(error).__name__}: {said}): let no choice depend "
            "on a tensor's values or on the batch's size."
        ) from error
    with torch.no_grad():
        for one, other in zip(found, Step()(*_rows(given, 3)), strict=True):
            _equal("one step as exported", one, other)


@CHECKS.add
def compiled_steps_equal_plain_ones(cell: CellSubject) -> None:
    """`torch.compile`'s tracing of a step changes nothing."""
    stack = cell.stack()
    x_t, state = inputs(2, 1, 3)[:, 0], _random_state(stack, 2)
    wanted, _ = stack.step(x_t, state)
    torch._dynamo.reset()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found, _ = torch.compile(stack.step, backend="eager", dynamic=False)(x_t, state)
    except Exception as error:  # as above
        said = " ".join(str(error).split())[:120]
        raise WrongError(f"torch.compile fails on a step ({said}).") from error
    finally:
        torch._dynamo.reset()
    _equal("one step as torch.compile traces it", found, wanted)


@CHECKS.add
def given_tensors_are_not_written_into(cell: CellSubject) -> None:
    """Inputs, states and weights are the same after a call."""
    stack, x = cell.stack(), inputs(3, 4, 3)
    state = _random_state(stack, 3)
    before = {"x": x.clone(), **{n: t.clone() for n, t in state.items()}}
    before |= {name: p.detach().clone() for name, p in stack.named_parameters()}
    try:
        with torch.no_grad():
            stack(x, None, state)
            stack.step(x[:, 0], state)
            _layer(stack)
    finally:
        after = {"x": x, **state, **dict(stack.named_parameters())}
    for name, tensor in before.items():
        if not torch.equal(after[name].detach(), tensor):
            raise WrongError(
                f"{_short(name)} is written into: use no operation in place (+=, names that end "
                "in _, indexing on the left)."
            )
    if cell.gated:
        _equations_write_into_nothing(cell, stack)


@CHECKS.add
def memory_does_not_grow_with_steps(cell: CellSubject) -> None:
    """Nothing is collected: as many tensors live after many steps as after a few."""
    stack = cell.stack()
    state = stack.initial_state(2)

    def steps() -> None:
        nonlocal state
        for _ in range(STEPS):
            _, state = stack.step(inputs(2, 1, 3)[:, 0], state)

    more = growth(steps)
    if more >= STEPS / 2:
        raise WrongError(
            f"{more} more tensors are alive after {STEPS} more steps: the cell collects what it "
            "should let go (a list on self?)."
        )


@CHECKS.add
def every_value_of_an_option_works_or_is_refused(cell: CellSubject) -> None:
    """The ends of each range, every choice, both of true and false: it runs and stays finite."""
    config = cell.plugin.Config
    options._config_of(cell)
    for place, field in options._fields(config):
        if "." in place:
            continue
        for value in _values(field):
            given = {field.name: value}
            try:
                stack = cell.stack(options=given, hidden_size=cell.hidden_size)
            except UserError:
                continue  # refused, with a message
            except ValueError as error:
                raise WrongError(
                    f"{place}={value} is taken and then fails ({error}): give the option a range."
                ) from error
            output, _ = stack(inputs(2, 3, 3))
            if not bool(output.isfinite().all()):
                raise WrongError(f"{place}={value} gives outputs that are not finite; bound it.")


def _values(field: Any) -> list[Any]:
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
    weights = _weights(stack)
    state = dict(zip(_gated(stack).state, _states(stack), strict=False))
    x = inputs(2, 1, 3)
    fed = weights.feed_forward(x, weights.initial_past(2))[:, 0].detach()
    drawn = {name: draws[:, 0] for name, draws in weights.draw_noise(x).items()}
    kept = fed.clone()
    with torch.no_grad():
        _gated(stack).equations(weights.timestep(x[:, 0], fed, state, drawn))
    if not torch.equal(fed, kept):
        raise WrongError(
            "the equations write into t.x, the gates' feed-forward parts: use no operation in "
            "place (+=, names that end in _)."
        )


def _equal(what: str, found: Tensor, wanted: Tensor) -> None:
    distance = apart(found, wanted)
    if distance > CLOSE:
        raise WrongError(
            f"{what}: {distance:.2g} from the whole sequence at once. All that goes from step to "
            "step must be in the state that is returned, and a step may know nothing else."
        )


def _short(name: str) -> str:
    """Return the last word of a name such as "layer0.forward.h"."""
    return name.rpartition(".")[2]


def _layer(stack: RecurrentStack) -> Any:
    return stack.layers[0][0]  # type: ignore[index]


def _gated(stack: RecurrentStack) -> GatedCell:
    cell: GatedCell | StepCell = _layer(stack).cell
    assert isinstance(cell, GatedCell)
    return cell


def _weights(stack: RecurrentStack) -> GateWeights:
    weights: GateWeights = _layer(stack).weights
    return weights


def _states(stack: RecurrentStack) -> list[Tensor]:
    return list(_random_state(stack, 2).values())


def _random_state(stack: RecurrentStack, batch: int) -> dict[str, Tensor]:
    """Return a state that is not zero, between 0.1 and 1."""
    draw = torch.Generator().manual_seed(7)
    return {
        name: (torch.rand(t.shape, generator=draw, dtype=torch.float64) * 0.9 + 0.1).to(t.dtype)
        for name, t in stack.initial_state(batch).items()
    }


def _rows(given: tuple[Tensor, ...], count: int) -> tuple[Tensor, ...]:
    return tuple(t[torch.arange(count) % len(t)] for t in given)


def _used_rows(gradient: Tensor, name: str, stack: RecurrentStack) -> dict[str, bool]:
    """Say of each gate's part of a parameter whether anything of it has a gradient."""
    layer, short = _layer(stack), _short(name)
    if not isinstance(layer.cell, GatedCell):
        return {short: bool(gradient.any())}
    weights = _weights(stack)
    biased = tuple(gate.name for gate in weights.gates if gate.bias)
    second = tuple(gate.name for gate in weights.gates if gate.recurrent_bias)
    names = {
        "W_F": tuple(gate.name for gate in weights.fed),
        "W_R": weights.full,
        "bias": biased,
        "recurrent_bias": second,
    }.get(short)
    if names is None:
        return {short: bool(gradient.any())}
    parts = zip(names, gradient.split(weights.hidden_size), strict=False)
    return {f"{short} of the gate '{gate}'": bool(part.any()) for gate, part in parts}

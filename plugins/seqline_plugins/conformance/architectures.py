"""Checks of an architecture: in float64 with small built-in cells, on random features.

Letters: B batch, T time, I features per step, H hidden features.
"""

from __future__ import annotations

import warnings
from typing import Any

import torch
from torch import Tensor, nn

from seqline_plugins.architecture import Architecture, Kind
from seqline_plugins.conformance import options
from seqline_plugins.conformance.subject import ArchitectureSubject, apart, growth, inputs
from seqline_plugins.conformance.verdict import Checks, NotApplicableError, WrongError
from seqline_plugins.errors import UserError
from seqline_plugins.options import slots

CHECKS = Checks(options.CHECKS)
CLOSE = 1e-9
LENGTHS = [5, 1, 4, 3]
STEPS = 20
CELLS: tuple[dict[str, Any], ...] = (
    {"name": "gru"},
    {"name": "peephole_lstm"},
    {"name": "qrnn"},
)
"""Cells with one state, with two and with a window of inputs."""


@CHECKS.add
def kind_is_declared(one: ArchitectureSubject) -> None:
    """`kind` says what goes in and out, in words that tasks know."""
    kind = getattr(one.plugin, "kind", None)
    inputs_known, outputs_known = ("sequence", "entity"), ("aligned", "entity", "sequence")
    if (
        not isinstance(kind, Kind)
        or kind.input not in inputs_known
        or kind.output not in outputs_known
    ):
        raise WrongError(
            f"kind is {kind!r}, expected Kind(input, output) with input one of "
            f"{', '.join(inputs_known)} and output one of {', '.join(outputs_known)}."
        )


@CHECKS.add
def shapes_are_those_of_its_kind(one: ArchitectureSubject) -> None:
    """Outputs are (B, T, H), or (B, H) of an entity, with H = `output_size`; B, T of 1 and odd."""
    for B, T, size in ((1, 1, 1), (3, 5, 2), (5, 1, 7)):
        net = one.build(size)
        output, state = _read(one, net, inputs(B, one.steps(T), size))
        written = 5 if one.writes else T
        wanted: tuple[int, ...] = (B, written, net.output_size)
        if one.plugin.kind.output == "entity":
            wanted = (B, net.output_size)
        if output.shape != wanted:
            raise WrongError(
                f"B={B}, T={T}: the output has the shape {tuple(output.shape)}, expected {wanted} "
                f"of {one.plugin.kind.input} → {one.plugin.kind.output} and its output_size."
            )
        bad = [name for name, tensor in state.items() if tensor.shape[:1] != (B,)]
        if bad:
            raise WrongError(
                f"B={B}: the state '{bad[0]}' has the shape {tuple(state[bad[0]].shape)}, expected "
                "the batch's rows first: a search keeps, copies and drops rows."
            )
        given = net.initial_state(B)
        if any(tensor.shape[:1] != (B,) for tensor in given.values()):
            raise WrongError(f"initial_state({B}) must give tensors with {B} rows.")


@CHECKS.add
def cells_come_from_its_slots(one: ArchitectureSubject) -> None:
    """It has a cell slot, and every cell that is put there runs."""
    if "cell" not in slots(one.plugin.Config).values():
        raise WrongError(
            "its Config has no cell slot, so `cell=` changes nothing: declare one, as in "
            'cell: Any = slot("cell", "the cell of every layer"), and build it by RecurrentStack.'
        )
    sizes = {}
    for cell in CELLS:
        net = one.build(cell=cell)
        output, _ = _read(one, net, inputs(2, one.steps(4), 3), [one.steps(4), 1])
        if not bool(output.isfinite().all()):
            raise WrongError(f"with cell={cell['name']} the output is not finite.")
        sizes[cell["name"]] = sum(p.numel() for p in net.parameters())
    if len(set(sizes.values())) == 1:
        raise WrongError(
            f"with every cell it has the same {sizes['gru']} parameters: what is put into its "
            "slot is not what it builds."
        )


@CHECKS.add
def every_parameter_learns(one: ArchitectureSubject) -> None:
    """The gradient of every parameter is not zero."""
    net, used = one.build(), dict[str, bool]()
    for seed in range(2):
        net.zero_grad()
        output, _ = _read(one, net, inputs(3, one.steps(5), 3, seed))
        places = torch.arange(1, output.numel() + 1, dtype=output.dtype).view_as(output)
        (output * torch.cos(places)).sum().backward()
        for name, parameter in net.named_parameters():
            if parameter.numel():
                learns = parameter.grad is not None and bool(parameter.grad.any())
                used[name] = used.get(name, False) or learns
    idle = [name for name, learns in used.items() if not learns]
    if idle:
        raise WrongError(
            f"{idle[0]} never gets a gradient: nothing of the output depends on it. Use it, or do "
            "not make it."
        )


@CHECKS.add
def padding_never_leaks(one: ArchitectureSubject) -> None:
    """What stands past a row's length, and how much, changes no valid output and no state."""
    if one.plugin.kind.input == "entity":
        raise NotApplicableError("an entity is one step, there is no padding")
    net, x = one.build(), inputs(4, 5, 3)
    padding = (torch.arange(5) >= torch.tensor(LENGTHS).unsqueeze(-1)).unsqueeze(-1)
    wanted, state = _read(one, net, x.masked_fill(padding, 0), LENGTHS)
    wider = torch.cat([x.masked_fill(padding, 7.0), x], dim=1).requires_grad_()
    found, after = _read(one, net, wider, LENGTHS)
    if one.plugin.kind.output == "aligned":
        found = found[:, :5].masked_fill(padding, 0)
        wanted = wanted.masked_fill(padding, 0)
    _same("with other padding the output", found, wanted, PADDING)
    for name, tensor in state.items():
        if name not in one.plugin.lasting and tensor.is_floating_point():
            there = after[name]
            if there.dim() == tensor.dim() > 1 and bool((there[:, tensor.shape[1] :] == 0).all()):
                there = there[:, : tensor.shape[1]]  # as wide as the input, nothing in its padding
            _same(f"with other padding the state '{name}'", there, tensor, PADDING)
    (gradient,) = torch.autograd.grad(found.sum(), wider)
    if bool(gradient[:, 5:].any()) or bool(gradient[:, :5].masked_select(padding).any()):
        raise WrongError(f"the gradient of the padding is not zero. {PADDING}")


PADDING = (
    "Give `lengths` to every recurrence, reverse by length and not by flip, mask before a mean, a "
    "sum or a softmax over time."
)


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
    _same("with other padding what is written", outputs[1], outputs[0], PADDING)


@CHECKS.add
def causality_is_as_declared(one: ArchitectureSubject) -> None:
    """No output of a causal one, and no step written, depends on a later input."""
    causal = one.causal_options()
    if causal is None and not one.writes:
        raise NotApplicableError("it is never causal, and says so")
    net = one.build(**(causal or {}))
    length = 6 if one.writes else one.steps(6)
    x = inputs(2, length, 3).requires_grad_()
    begin = net.encode(inputs(2, one.steps(4), 3)) if one.writes else None
    for t in range(length - 1):
        early = _outputs(one, net, x[:, : t + 1], begin)[:, : t + 1]
        late = _outputs(one, net, x, begin)[:, : t + 1] if _aligned(one) else early
        _same(f"read only up to step {t} the output", early, late, CAUSAL)
        if _aligned(one):
            (gradient,) = torch.autograd.grad(late.sum(), x)
            if bool(gradient[:, t + 1 :].any()):
                raise WrongError(f"an output at step {t} changes with a later input. {CAUSAL}")


CAUSAL = (
    "Read forward only and shift nothing, or say that it looks ahead: is_causal(config) → False."
)


@CHECKS.add
def chunks_and_steps_equal_the_whole(one: ArchitectureSubject) -> None:
    """At once, in two parts with the state carried, and by `step`: one computation."""
    causal = one.causal_options()
    if causal is None and not one.writes:
        raise NotApplicableError("it is never causal: it has no single step")
    net = one.build(**(causal or {}))
    length = 5 if one.writes else one.steps(5)
    x = inputs(3, length, 3)
    begin = net.encode(inputs(3, one.steps(4), 3), None) if one.writes else None
    whole, last = net(x, None, begin)
    if length > 1:
        first, state = net(x[:, :2], None, begin)
        second, after = net(x[:, 2:], None, state)
        joined = torch.cat([first, second], 1) if _aligned(one) else second
        _same("in two parts the output", joined, whole, CARRIED)
        _same_state("in two parts", after, last)
    state = net.initial_state(3) if begin is None else begin
    outputs = []
    for t in range(length):
        output, state = net.step(x[:, t], state)
        outputs.append(output)
    stepped = torch.stack(outputs, 1) if _aligned(one) else outputs[-1]
    _same("step by step the output", stepped, whole, CARRIED)
    _same_state("step by step", state, last)


CARRIED = "All that goes from step to step must be in the state that is returned."


@CHECKS.add
def rows_of_a_batch_are_independent(one: ArchitectureSubject) -> None:
    """A row gives the same alone as beside others."""
    net, x = one.build(), inputs(4, one.steps(4), 3)
    together, _ = _read(one, net, x)
    for row in range(4):
        alone, _ = _read(one, net, x[row : row + 1], row=row)
        message = "Take no mean, norm or sort over the batch (dimension 0)."
        _same("alone the output of a row", alone, together[row : row + 1], message)


@CHECKS.add
def nothing_is_kept_between_calls(one: ArchitectureSubject) -> None:
    """The same input gives the same after another one was seen."""
    net, x = one.build(), inputs(3, one.steps(4), 3)
    first, _ = _read(one, net, x)
    _read(one, net, inputs(3, one.steps(4), 3, seed=9) * 3)
    again, _ = _read(one, net, x)
    message = "What goes from step to step belongs into the state, never on self."
    _same("after another input the output", again, first, message)


@CHECKS.add
def chosen_rows_go_on_as_they_would_have(one: ArchitectureSubject) -> None:
    """`reorder` keeps, copies and drops rows of everything, as a beam does."""
    causal = one.causal_options()
    if causal is None and not one.writes:
        raise NotApplicableError("it is never causal: no search steps through it")
    net = one.build(**(causal or {}))
    length = 5 if one.writes else one.steps(5)
    x, rows = inputs(3, length, 3), torch.tensor([2, 0, 2, 1])
    state = net.encode(inputs(3, one.steps(4), 3)) if one.writes else net.initial_state(3)
    _, state = net.step(x[:, 0], state)
    wanted, _ = net.step(x[:, -1], state)
    kept = net.reorder(state, rows)
    message = "Choose the rows of every tensor of the state."
    lost = [name for name in state if name not in kept or len(kept[name]) != len(rows)]
    if lost:
        raise WrongError(f"reorder leaves out the state '{lost[0]}'. {message}")
    found, _ = net.step(x[rows, -1], kept)
    _same("rows that a search chose: the output", found, wanted[rows], message)


@CHECKS.add
def seed_decides_everything(one: ArchitectureSubject) -> None:
    """The same seed gives the same weights and, in training too, the same outputs."""
    outputs = []
    for _ in range(2):
        net = one.build(seed=3)
        net.train()
        torch.manual_seed(5)
        outputs.append(_read(one, net, inputs(3, one.steps(4), 3))[0])
    message = "Draw with torch's own functions, not with random, numpy or a generator of your own."
    _same("with the same seed the output", outputs[1], outputs[0], message)


@CHECKS.add
def outside_training_nothing_is_drawn(one: ArchitectureSubject) -> None:
    """Evaluation is the same each time."""
    net, x = one.build(), inputs(3, one.steps(4), 3)
    outputs = [_read(one, net, x)[0] for _ in range(2)]
    message = "Drop only while self.training (`drop` of seqline_plugins.dropout does)."
    _same("evaluated twice the output", outputs[1], outputs[0], message)


@CHECKS.add
def precision_and_device_are_those_of_the_weights(one: ArchitectureSubject) -> None:
    """bfloat16 stays bfloat16, near float64, and no tensor is made on another device."""
    net, x = one.build(), inputs(3, one.steps(4), 3)
    wanted, _ = _read(one, net, x)
    half = net.to(torch.bfloat16)
    found, _ = _read(one, half, x.to(torch.bfloat16))
    if found.dtype != torch.bfloat16:
        raise WrongError(
            f"weights in bfloat16 give outputs in {found.dtype}: make tensors from those that are "
            "there, as in features.new_zeros(…)."
        )
    bound = 0.15 * max(1.0, float(wanted.detach().abs().max()))
    if apart(found, wanted) > bound:
        raise WrongError(f"in bfloat16 the outputs are {apart(found, wanted):.2g} off.")
    try:
        far = one.build().to("meta")
        _read(one, far, torch.empty(3, one.steps(4), 3, dtype=torch.float64, device="meta"))
    except RuntimeError as error:
        said = " ".join(str(error).split())[:120]
        raise WrongError(
            f"moved to another device it fails ({said}): make tensors from those that are there, "
            "as in features.new_zeros(…), and ask for no tensor's value."
        ) from error


@CHECKS.add
def one_step_exports(one: ArchitectureSubject) -> None:
    """`torch.export` takes one step and gives the same."""
    causal = one.causal_options()
    if causal is None and not one.writes:
        raise NotApplicableError("it is never causal: it has no single step")
    net = one.build(**(causal or {}))
    state = net.encode(inputs(2, one.steps(4), 3)) if one.writes else net.initial_state(2)
    names, x_t = tuple(state), inputs(2, 1, 3)[:, 0]

    class Step(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = net

        def forward(self, x_t: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
            output, after = self.net.step(x_t, dict(zip(names, state, strict=True)))
            return (output, *after.values())

    given = (x_t, *(tensor.detach() for tensor in state.values()))
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = torch.export.export(Step(), given, strict=False).module()(*given)
            wanted = Step()(*given)
    except Exception as error:  # the exporter raises many kinds, all about the plugin's code
        said = " ".join(str(error).split())[:120]
        raise WrongError(
            f"torch.export refuses a step ({type(error).__name__}: {said}): let no choice depend "
            "on a tensor's values."
        ) from error
    for tensor, other in zip(found, wanted, strict=True):
        _same("exported, a step", tensor, other, "")


@CHECKS.add
def given_tensors_are_not_written_into(one: ArchitectureSubject) -> None:
    """Features and states are the same after a call."""
    net, x = one.build(), inputs(3, one.steps(4), 3)
    kept = x.clone()
    with torch.no_grad():
        _, state = _read(one, net, x)
        before = {name: tensor.clone() for name, tensor in state.items()}
        fed = inputs(3, 1 if one.steps(4) == 1 else 4, 3, seed=5)
        net(fed, None, state)
    if not torch.equal(x, kept):
        raise WrongError("the features are written into: use no operation in place.")
    for name, tensor in before.items():
        if not torch.equal(state[name], tensor):
            raise WrongError(f"the state '{name}' is written into: use no operation in place.")


@CHECKS.add
def memory_does_not_grow_with_calls(one: ArchitectureSubject) -> None:
    """Nothing is collected: as many tensors live after many calls as after a few."""
    net, x = one.build(), inputs(2, one.steps(3), 3)

    def calls() -> None:
        for _ in range(STEPS):
            _read(one, net, x)

    more = growth(calls)
    if more >= STEPS / 2:
        raise WrongError(
            f"{more} more tensors are alive after {STEPS} more calls: it collects what it should "
            "let go (a list on self?)."
        )


@CHECKS.add
def every_value_of_an_option_works_or_is_refused(one: ArchitectureSubject) -> None:
    """The lowest value of each range, every choice, both of true and false: it runs."""
    config = one.plugin.Config
    for place, field in options._fields(config):
        if "." in place or "slot" in field.metadata:
            continue
        limits, default = field.metadata, field.default
        values: list[Any] = list(limits.get("choices", ()))
        if isinstance(default, bool):
            values = [True, False]
        elif isinstance(default, int | float) and "low" in limits:
            values = [type(default)(limits["low"])]
        for value in values:
            try:
                net = one.build(**{field.name: value})
            except UserError:
                continue  # refused, with a message
            output, _ = _read(one, net, inputs(2, one.steps(3), 3))
            if not bool(output.isfinite().all()):
                raise WrongError(f"{place}={value} gives outputs that are not finite; bound it.")


def _read(
    one: ArchitectureSubject,
    net: Architecture,
    x: Tensor,
    lengths: list[int] | None = None,
    row: int | None = None,
) -> tuple[Tensor, dict[str, Tensor]]:
    """Return the output for an input, of five written steps where it writes, and the state."""
    bounds = None if lengths is None else torch.tensor(lengths)
    if not one.writes:
        return net(x, bounds)
    state = net.encode(x, bounds)
    B = len(x) if row is None else row + 1
    fed = inputs(max(B, 4), 5, x.shape[-1], seed=8)[:B].to(x.dtype).to(x.device)
    return net(fed[-len(x) :], None, state)


def _aligned(one: ArchitectureSubject) -> bool:
    """Say whether there is an output for every step that is read or fed."""
    return bool(one.plugin.kind.output != "entity")


def _outputs(
    one: ArchitectureSubject, net: Architecture, x: Tensor, begin: dict[str, Tensor] | None
) -> Tensor:
    output, _ = net(x, None, begin)
    if _aligned(one):
        return output
    return output.unsqueeze(1)


def _same(what: str, found: Tensor, wanted: Tensor, advice: str) -> None:
    distance = apart(found, wanted)
    if distance > CLOSE:
        raise WrongError(f"{what} is {distance:.2g} apart. {advice}".strip())


def _same_state(what: str, found: dict[str, Tensor], wanted: dict[str, Tensor]) -> None:
    for name, tensor in wanted.items():
        if name not in found:
            raise WrongError(f"{what} the state '{name}' is missing. {CARRIED}")
        _same(f"{what} the state '{name}'", found[name], tensor, CARRIED)

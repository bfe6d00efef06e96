"""Checks of an architecture where it runs: seed, precision, device, exporter, memory, options.

Letters: B batch, T time, I features per step, H hidden features.
"""

from __future__ import annotations

from dataclasses import Field
from typing import Any

import torch

from seqline_plugins.conformance.architectures.reading import (
    build_causal,
    check_same,
    first_state,
    read,
)
from seqline_plugins.conformance.options import try_values
from seqline_plugins.conformance.probes import check_memory, export_step, run_elsewhere
from seqline_plugins.conformance.subject import ArchitectureSubject, apart, inputs
from seqline_plugins.conformance.verdict import Checks, WrongError

CHECKS = Checks()


@CHECKS.add
def seed_decides_everything(one: ArchitectureSubject) -> None:
    """The same seed gives the same weights and, in training too, the same outputs."""
    outputs = []
    for _ in range(2):
        net = one.build(seed=3)
        net.train()
        torch.manual_seed(5)
        outputs.append(read(one, net, inputs(3, one.steps(4), 3))[0])
    message = "Draw with torch's own functions, not with random, numpy or a generator of your own."
    check_same("with the same seed the output", outputs[1], outputs[0], message)


@CHECKS.add
def outside_training_nothing_is_drawn(one: ArchitectureSubject) -> None:
    """Evaluation is the same each time."""
    net, x = one.build(), inputs(3, one.steps(4), 3)
    outputs = [read(one, net, x)[0] for _ in range(2)]
    message = "Drop only while self.training (`drop` of seqline_plugins.dropout does)."
    check_same("evaluated twice the output", outputs[1], outputs[0], message)


@CHECKS.add
def precision_and_device_are_those_of_the_weights(one: ArchitectureSubject) -> None:
    """bfloat16 stays bfloat16, near float64, and no tensor is made on another device."""
    net, x = one.build(), inputs(3, one.steps(4), 3)
    wanted, _ = read(one, net, x)
    half = net.to(torch.bfloat16)
    found, _ = read(one, half, x.to(torch.bfloat16))
    if found.dtype != torch.bfloat16:
        raise WrongError(
            f"weights in bfloat16 give outputs in {found.dtype}: make tensors from those that are "
            "there, as in features.new_zeros(…)."
        )
    bound = 0.15 * max(1.0, float(wanted.detach().abs().max()))
    if apart(found, wanted) > bound:
        raise WrongError(f"in bfloat16 the outputs are {apart(found, wanted):.2g} off.")
    run_elsewhere(
        lambda far: read(one, one.build().to("meta"), far)[0],
        one.steps(4),
        "as in features.new_zeros(…), and ask for no tensor's value.",
    )


@CHECKS.add
def one_step_exports(one: ArchitectureSubject) -> None:
    """`torch.export` takes one step and gives the same."""
    net = build_causal(one, "it is never causal: it has no single step")
    x_t, state = inputs(2, 1, 3)[:, 0], first_state(one, net, 2)
    for found, wanted in export_step(net, x_t, state):
        check_same("exported, a step", found, wanted, "")


@CHECKS.add
def given_tensors_are_not_written_into(one: ArchitectureSubject) -> None:
    """Features and states are the same after a call."""
    net, x = one.build(), inputs(3, one.steps(4), 3)
    kept = x.clone()
    with torch.no_grad():
        _, state = read(one, net, x)
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

    def call() -> None:
        read(one, net, x)

    check_memory(call, "calls", "it")


@CHECKS.add
def every_value_of_an_option_works_or_is_refused(one: ArchitectureSubject) -> None:
    """The lowest value of each range, every choice, both of true and false: it runs."""
    try_values(
        one.plugin.Config,
        _values,
        lambda given: one.build(**given),
        lambda net: read(one, net, inputs(2, one.steps(3), 3))[0],
    )


def _values(field: Field[Any]) -> list[Any]:
    """Return values of an option worth trying."""
    limits, default = field.metadata, field.default
    if isinstance(default, bool):
        return [True, False]
    if isinstance(default, int | float) and "low" in limits:
        return [type(default)(limits["low"])]
    return list(limits.get("choices", ()))

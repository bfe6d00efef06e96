"""An architecture read to its output, whatever its kind, and outputs held to each other.

Letters: B batch, T time, I features per step, H hidden features.
"""

from __future__ import annotations

import torch
from torch import Tensor

from seqline_plugins.architecture import Architecture
from seqline_plugins.conformance.subject import CLOSE, ArchitectureSubject, State, apart, inputs
from seqline_plugins.conformance.verdict import NotApplicableError, WrongError

CARRIED = "All that goes from step to step must be in the state that is returned."


def read(
    one: ArchitectureSubject,
    net: Architecture,
    x: Tensor,
    lengths: list[int] | None = None,
    row: int | None = None,
) -> tuple[Tensor, State]:
    """Return the output for (B, T, I), of five written steps where it writes, and the state.

    `row` says which row of a batch a single one is, so that it is fed what it is fed there.
    """
    bounds = None if lengths is None else torch.tensor(lengths)
    if not one.writes:
        return net(x, bounds)
    state = net.encode(x, bounds)
    B = len(x) if row is None else row + 1
    fed = inputs(max(B, 4), 5, x.shape[-1], seed=8)[:B].to(x.dtype).to(x.device)
    return net(fed[-len(x) :], None, state)


def read_steps(
    one: ArchitectureSubject, net: Architecture, x: Tensor, begin: State | None
) -> Tensor:
    """Return the outputs (B, T, H) from a first state on; an entity's as those of one step."""
    output, _ = net(x, None, begin)
    return output if is_aligned(one) else output.unsqueeze(1)


def build_causal(one: ArchitectureSubject, otherwise: str) -> Architecture:
    """Return it built to be causal; raises `NotApplicableError` where it never is one."""
    causal = one.causal_options()
    if causal is None and not one.writes:
        raise NotApplicableError(otherwise)
    return one.build(**(causal or {}))


def encode(one: ArchitectureSubject, net: Architecture, batch: int) -> State | None:
    """Return the state of what is read before writing, None where it does not write."""
    return net.encode(inputs(batch, one.steps(4), 3)) if one.writes else None


def first_state(one: ArchitectureSubject, net: Architecture, batch: int) -> State:
    """Return the state that its first step is given."""
    state = encode(one, net, batch)
    return net.initial_state(batch) if state is None else state


def is_aligned(one: ArchitectureSubject) -> bool:
    """Say whether there is an output for every step that is read or fed."""
    return bool(one.plugin.kind.output != "entity")


def check_same(what: str, found: Tensor, wanted: Tensor, advice: str) -> None:
    """Raise `WrongError` for two that differ, with what to do."""
    distance = apart(found, wanted)
    if distance > CLOSE:
        raise WrongError(f"{what} is {distance:.2g} apart. {advice}".strip())


def check_same_state(what: str, found: State, wanted: State) -> None:
    """Raise `WrongError` for a state that is missing or differs."""
    for name, tensor in wanted.items():
        if name not in found:
            raise WrongError(f"{what} the state '{name}' is missing. {CARRIED}")
        check_same(f"{what} the state '{name}'", found[name], tensor, CARRIED)

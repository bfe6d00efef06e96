"""The reference loop: one step after the other, as the equations say. It is the specification.

Everything faster must equal it in outputs and gradients.
Letters: B batch, T time, I input size, H hidden size.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from seqline_plugins.cell import GatedCell, StepCell
from seqline_plugins.declarations import new_state, new_state_of_step
from seqline_plugins.recurrence.weights import GateWeights

State = dict[str, Tensor]


def run_gated(
    cell: GatedCell,
    weights: GateWeights,
    x: Float[Tensor, "B T I"],
    lengths: Int[Tensor, "B"] | None,
    state: State,
) -> tuple[Float[Tensor, "B T H"], State]:
    """Run a gated cell over time; outputs past a row's length are zero, its state stands still.

    `state` is the cell's own, and what `GateWeights.feed_forward` asks for; the cell's returns.
    """
    fed, noise = weights.feed_forward(x, state), weights.draw_noise(x)
    own = {name: state[name] for name in cell.state}

    def step(t: int, state: State) -> State:
        drawn = {name: draws[:, t] for name, draws in noise.items()}
        return new_state(cell, weights.timestep(x[:, t], fed[:, t], state, drawn))

    return _loop(step, x.shape[1], lengths, own)


def run_step_cell(
    cell: StepCell,
    x: Float[Tensor, "B T I"],
    lengths: Int[Tensor, "B"] | None,
    state: State,
) -> tuple[Float[Tensor, "B T H"], State]:
    """Run a step cell over time, as `run_gated` does a gated one."""
    return _loop(lambda t, now: new_state_of_step(cell, x[:, t], now), x.shape[1], lengths, state)


def _loop(
    step: Callable[[int, State], State], steps: int, lengths: Tensor | None, state: State
) -> tuple[Tensor, State]:
    output_name = next(iter(state))
    outputs: list[Tensor] = []
    for t in range(steps):
        new = step(t, state)
        if lengths is None:
            state = {name: new[name] for name in state}
            outputs.append(state[output_name])
        else:
            valid = lengths > t
            state = {name: _kept(valid, new[name], old) for name, old in state.items()}
            outputs.append(state[output_name] * valid.unsqueeze(-1))
    return torch.stack(outputs, dim=1), state


def _kept(valid: Tensor, new: Tensor, old: Tensor) -> Tensor:
    """Return the new state of the rows that go on, the old one of those that have ended."""
    return torch.where(valid.view(-1, *[1] * (old.dim() - 1)), new, old)

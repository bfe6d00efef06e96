"""One cell in one direction over a padded batch.

Letters: B batch, T time, I input size, H hidden size.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from seqline_plugins.build import build_cell
from seqline_plugins.cell import GatedCell, StepCell
from seqline_plugins.recurrence.kernels import KERNELS, choose
from seqline_plugins.recurrence.reference import run_step_cell
from seqline_plugins.recurrence.weights import GateWeights
from seqline_plugins.recurrence.window import PAST, last_inputs

State = dict[str, Tensor]


class RecurrentLayer(nn.Module):
    """A cell run over time, forward or backward, by the kernel that serves it.

    `served` names that kernel. Padding never reaches a result: in the backward direction each
    row starts at its own last step.
    """

    def __init__(
        self,
        cell: Mapping[str, Any],
        input_size: int,
        hidden_size: int,
        *,
        backward: bool = False,
        kernel: str = "auto",
    ) -> None:
        super().__init__()
        self.hidden_size, self.backward_in_time = hidden_size, backward
        self.cell = build_cell(cell, input_size, hidden_size)
        self.served = choose(self.cell, kernel)
        if isinstance(self.cell, GatedCell):
            self.weights = GateWeights(self.cell, input_size, hidden_size)

    def initial_state(self, batch: int) -> State:
        """Return the state before the first step, `batch` rows."""
        if isinstance(self.cell, StepCell):
            return self.cell.initial_state(batch)
        like = self.weights.W_F
        state = {name: like.new_zeros(batch, self.hidden_size) for name in self.cell.state}
        return state | self.weights.initial_past(batch)

    def forward(
        self,
        x: Float[Tensor, "B T I"],
        lengths: Int[Tensor, "B"] | None = None,
        state: State | None = None,
    ) -> tuple[Float[Tensor, "B T H"], State]:
        """Return the outputs in the input's order and the state after each row's last step."""
        if x.shape[1] == 0:
            raise ValueError("a sequence needs at least one step, got T = 0")
        state = self.initial_state(x.shape[0]) if state is None else state
        if self.backward_in_time:
            x = reverse(x, lengths)
        if isinstance(self.cell, StepCell):
            output, state = run_step_cell(self.cell, x, lengths, state)
        else:
            output, after = KERNELS[self.served](self.cell, self.weights, x, lengths, state)
            state = after | self._past(x, lengths, state)
        if self.backward_in_time:
            output = reverse(output, lengths)
        return output, state

    def step(self, x_t: Float[Tensor, "B I"], state: State) -> tuple[Float[Tensor, "B H"], State]:
        """Return the output of one timestep and the state after it."""
        if isinstance(self.cell, StepCell):
            new = self.cell(x_t, state)
        else:
            x = x_t.unsqueeze(1)
            fed = self.weights.feed_forward(x, state)[:, 0]
            drawn = {name: draws[:, 0] for name, draws in self.weights.draw_noise(x).items()}
            own = {name: state[name] for name in self.cell.state}
            new = self.cell.equations(self.weights.timestep(x_t, fed, own, drawn))
            new |= self._past(x, None, state)
        return new[next(iter(state))], {name: new[name] for name in state}

    def _past(
        self, x: Float[Tensor, "B T I"], lengths: Int[Tensor, "B"] | None, state: State
    ) -> State:
        """Return the inputs that gates with a window will look back on; none without windows."""
        return {PAST: last_inputs(x, state[PAST], lengths)} if self.weights.window > 1 else {}


def reverse(x: Float[Tensor, "B T X"], lengths: Int[Tensor, "B"] | None) -> Tensor:
    """Reverse each row within its length; padding stays where it is."""
    if lengths is None:
        return x.flip(1)
    steps = torch.arange(x.shape[1], device=x.device)
    place = lengths.to(x.device).unsqueeze(-1) - 1 - steps
    place = torch.where(place >= 0, place, steps)
    return x.gather(1, place.unsqueeze(-1).expand_as(x))

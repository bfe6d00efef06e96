"""One cell in one direction over a padded batch.

Letters: B batch, T time, I input size, H hidden size.
"""

from __future__ import annotations

from jaxtyping import Float, Int
from torch import Tensor, nn

from seqline_plugins.build import Choice, build_cell
from seqline_plugins.cell import GatedCell, StepCell
from seqline_plugins.declarations import check_settable, new_state, new_state_of_step
from seqline_plugins.recurrence.kernels import Kernel, check_wanted, reverse
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
        cell: Choice,
        input_size: int,
        hidden_size: int,
        *,
        backward: bool = False,
        kernel: str = "auto",
    ) -> None:
        super().__init__()
        self.input_size, self.hidden_size = input_size, hidden_size
        self.backward_in_time = backward
        self.cell = build_cell(cell, input_size, hidden_size)
        check_settable(self.cell)
        check_wanted(self.cell, kernel, input_size, hidden_size)
        if isinstance(self.cell, GatedCell):
            self.kernel = Kernel(self.cell, kernel)
            self.weights = GateWeights(self.cell, input_size, hidden_size)

    @property
    def served(self) -> str:
        """The kernel that serves the cell."""
        return self.kernel.served if isinstance(self.cell, GatedCell) else "reference"

    def keep_to(self, served: str) -> None:
        """Be served by the kernel that served before, see `served`, where it can serve still."""
        if isinstance(self.cell, GatedCell):
            self.kernel.served = served

    def keep_at_most(self, budget: int | None) -> None:
        """Keep so many bytes for the backward pass and compute again what is beyond; None: all."""
        if isinstance(self.cell, GatedCell):
            self.kernel.budget = budget

    def initial_state(self, batch: int) -> State:
        """Return the state before the first step, `batch` rows."""
        if isinstance(self.cell, StepCell):
            return self.cell.initial_state(batch)
        like = self.weights.W_F
        state = {name: like.new_zeros(batch, self.hidden_size) for name in self.cell.state}
        return state | self.weights.initial_past(batch)

    def settable(self, state: State) -> State:
        """Return the part of a state that another network may set before the first step."""
        return {name: tensor for name, tensor in state.items() if name in self.cell.settable}

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
        if self.backward_in_time and not self._reads_backward:
            output, state = self._forward(reverse(x, lengths), lengths, state)
            return reverse(output, lengths), state
        return self._forward(x, lengths, state)

    @property
    def _reads_backward(self) -> bool:
        """Whether the kernel itself goes from each row's end to its start."""
        return isinstance(self.cell, GatedCell) and self.weights.window == 1

    def _forward(self, x: Tensor, lengths: Tensor | None, state: State) -> tuple[Tensor, State]:
        if isinstance(self.cell, StepCell):
            return run_step_cell(self.cell, x, lengths, state)
        backward = self.backward_in_time and self._reads_backward
        output, after = self.kernel.run(self.weights, x, lengths, state, backward=backward)
        return output, after | self._past(x, lengths, state)

    def step(self, x_t: Float[Tensor, "B I"], state: State) -> tuple[Float[Tensor, "B H"], State]:
        """Return the output of one timestep and the state after it."""
        if isinstance(self.cell, StepCell):
            new = new_state_of_step(self.cell, x_t, state)
        else:
            x = x_t.unsqueeze(1)
            fed = self.weights.feed_forward(x, state)[:, 0]
            drawn = {name: draws[:, 0] for name, draws in self.weights.draw_noise(x).items()}
            own = {name: state[name] for name in self.cell.state}
            new = new_state(self.cell, self.weights.timestep(x_t, fed, own, drawn))
            new = {**new, **self._past(x, None, state)}
        return new[next(iter(state))], {name: new[name] for name in state}

    def _past(
        self, x: Float[Tensor, "B T I"], lengths: Int[Tensor, "B"] | None, state: State
    ) -> State:
        """Return the inputs that gates with a window will look back on; none without windows."""
        return {PAST: last_inputs(x, state[PAST], lengths)} if self.weights.window > 1 else {}

"""Architectures, each with one fault. `CAUGHT_BY` says which check is meant for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from seqline_plugins import Architecture, Kind, RecurrentStack, option, slot

CAUGHT_BY: dict[str, str] = {}
State = dict[str, Tensor]


def caught_by(check: str) -> Any:
    def note(mutant: type) -> type:
        CAUGHT_BY[mutant.__name__] = check
        return mutant

    return note


@dataclass
class Config:
    """Options of a small architecture."""

    cell: Any = slot("cell", "the cell of every layer")
    hidden_size: int = option(8, "units of each layer", low=1)


class Good(Architecture):
    """One recurrence, forward: what the mutants are made from."""

    Config = Config
    kind = Kind("sequence", "aligned")

    def __init__(self, config: Any, input_size: int, kernel: str = "auto") -> None:
        super().__init__(config, input_size, kernel)
        self.recurrence = self.made(config.cell, kernel)
        self.output_size = config.hidden_size

    def made(self, cell: Any, kernel: str) -> RecurrentStack:
        return RecurrentStack(cell, self.input_size, self.config.hidden_size, kernel=kernel)

    def initial_state(self, batch: int) -> State:
        return self.recurrence.initial_state(batch)

    def forward(
        self, features: Tensor, lengths: Tensor | None = None, state: State | None = None
    ) -> tuple[Tensor, State]:
        return self.recurrence(features, lengths, state)

    def step(self, features_t: Tensor, state: State) -> tuple[Tensor, State]:
        return self.recurrence.step(features_t, state)


@caught_by("padding_never_leaks")
class ForgetsTheMaskBackward(Good):
    """Backward it begins at the end of the padding."""

    @staticmethod
    def is_causal(config: Any) -> bool:
        return False

    def forward(self, features: Any, lengths: Any = None, state: Any = None) -> Any:
        output, after = self.recurrence(features.flip(1), None, state)
        return output.flip(1), after


@caught_by("padding_never_leaks")
class AveragesThePadding(Good):
    """The mean over time counts what is no step."""

    kind = Kind("sequence", "entity")

    def forward(self, features: Any, lengths: Any = None, state: Any = None) -> Any:
        output, after = self.recurrence(features, lengths, state)
        return output.mean(1), after


@caught_by("causality_is_as_declared")
class LooksOneStepAhead(Good):
    """Every output is that of the next step, off by one."""

    def forward(self, features: Any, lengths: Any = None, state: Any = None) -> Any:
        output, after = self.recurrence(features, lengths, state)
        return torch.cat([output[:, 1:], output[:, -1:]], 1), after


@caught_by("chunks_and_steps_equal_the_whole")
class StepsLate(Good):
    """A step gives the output before it, off by one the other way."""

    def step(self, features_t: Any, state: Any) -> Any:
        _, after = self.recurrence.step(features_t, state)
        return next(iter(state.values())), after


@caught_by("chunks_and_steps_equal_the_whole")
class ForgetsItsState(Good):
    """A state that is handed in is not read."""

    def forward(self, features: Any, lengths: Any = None, state: Any = None) -> Any:
        return self.recurrence(features, lengths, None)


@caught_by("rows_of_a_batch_are_independent")
class NormsOverTheBatch(Good):
    """The mean of the batch is taken away."""

    def forward(self, features: Any, lengths: Any = None, state: Any = None) -> Any:
        output, after = self.recurrence(features, lengths, state)
        return output - output.mean(0, keepdim=True), after


@caught_by("chosen_rows_go_on_as_they_would_have")
class ReordersHalf(Good):
    """A search's rows are chosen in one of two states."""

    def reorder(self, state: Any, rows: Any) -> Any:
        chosen = super().reorder(state, rows)
        name = next(iter(state))
        return chosen | {name: state[name][torch.arange(len(rows)) % len(state[name])]}


@caught_by("cells_come_from_its_slots")
class IgnoresItsSlot(Good):
    """Whatever cell is asked for, it takes a GRU."""

    def made(self, cell: Any, kernel: str) -> RecurrentStack:
        return super().made({"name": "gru"}, kernel)


@caught_by("outside_training_nothing_is_drawn")
class AlwaysDrops(Good):
    """Dropout in evaluation too."""

    def forward(self, features: Any, lengths: Any = None, state: Any = None) -> Any:
        output, after = self.recurrence(features, lengths, state)
        return torch.nn.functional.dropout(output, 0.5, training=True), after


@caught_by("shapes_are_those_of_its_kind")
class SaysAnotherSize(Good):
    """Its output_size is not that of its output."""

    def __init__(self, config: Any, input_size: int, kernel: str = "auto") -> None:
        super().__init__(config, input_size, kernel)
        self.output_size = 2 * config.hidden_size


@caught_by("nothing_is_kept_between_calls")
class KeepsItsState(Good):
    """The next batch goes on where the last one ended."""

    kept: Any = None

    def forward(self, features: Any, lengths: Any = None, state: Any = None) -> Any:
        if state is None and self.kept is not None and len(features) == self.kept[0]:
            state = self.kept[1]
        output, after = self.recurrence(features, lengths, state)
        self.kept = (len(features), {name: t.detach() for name, t in after.items()})
        return output, after


@caught_by("kind_is_declared")
class SaysAnUnknownKind(Good):
    """An output that no task knows."""

    kind = Kind("sequence", "matrix")  # type: ignore[arg-type]


@caught_by("every_parameter_learns")
class HasAnIdleLayer(Good):
    """A layer that nothing reads."""

    def __init__(self, config: Any, input_size: int, kernel: str = "auto") -> None:
        super().__init__(config, input_size, kernel)
        self.idle = torch.nn.Linear(3, 3)

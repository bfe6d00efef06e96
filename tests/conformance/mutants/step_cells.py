"""Step cells, each with one fault. `CAUGHT_BY` says which check is meant for it."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seqline_plugins import StepCell

CAUGHT_BY: dict[str, str] = {}


def caught_by(check: str) -> Any:
    def note(mutant: type) -> type:
        CAUGHT_BY[mutant.__name__] = check
        return mutant

    return note


class Good(StepCell):
    """h_t = tanh(W [x_t, h_{t-1}])."""

    def __init__(self, config: Any, input_size: int, hidden_size: int) -> None:
        super().__init__(config, input_size, hidden_size)
        self.mix = nn.Linear(input_size + hidden_size, hidden_size)

    def initial_state(self, batch: int) -> dict[str, Tensor]:
        return {"h": self.mix.weight.new_zeros(batch, self.hidden_size)}

    def forward(self, x_t: Tensor, state: dict[str, Tensor]) -> dict[str, Tensor]:
        return {"h": torch.tanh(self.mix(torch.cat([x_t, state["h"]], dim=-1)))}


@caught_by("shapes_are_batch_by_hidden")
class BeginsWithOneRow(Good):
    """Its first state has one row, whatever the batch."""

    def initial_state(self, batch: int) -> dict[str, Tensor]:
        return super().initial_state(1)


@caught_by("outside_training_nothing_is_drawn")
class AlwaysDrops(Good):
    """Dropout in evaluation too."""

    def forward(self, x_t: Tensor, state: dict[str, Tensor]) -> dict[str, Tensor]:
        return {"h": F.dropout(super().forward(x_t, state)["h"], 0.5, training=True)}


@caught_by("chunks_and_steps_equal_the_whole")
class CountsOnItself(Good):
    """Which step it is stands on the module, not in the state."""

    steps = 0

    def initial_state(self, batch: int) -> dict[str, Tensor]:
        self.steps = 0
        return super().initial_state(batch)

    def forward(self, x_t: Tensor, state: dict[str, Tensor]) -> dict[str, Tensor]:
        self.steps += 1
        return {"h": super().forward(x_t, state)["h"] / self.steps}


@caught_by("rows_of_a_batch_are_independent")
class SharesItsState(Good):
    """All rows go on from the first one's state."""

    def forward(self, x_t: Tensor, state: dict[str, Tensor]) -> dict[str, Tensor]:
        first = {"h": state["h"][:1].expand_as(state["h"])}
        return super().forward(x_t, first)


@caught_by("chosen_rows_go_on_as_they_would_have")
class KnowsItsPlace(Good):
    """A row's place in the batch is a part of its answer."""

    def forward(self, x_t: Tensor, state: dict[str, Tensor]) -> dict[str, Tensor]:
        place = torch.arange(len(x_t), device=x_t.device, dtype=x_t.dtype).unsqueeze(-1)
        return {"h": super().forward(x_t, state)["h"] + 0.01 * place}


@caught_by("precision_and_device_are_those_of_the_weights")
class BeginsElsewhere(Good):
    """Its first state is always in float32 on the processor."""

    def initial_state(self, batch: int) -> dict[str, Tensor]:
        return {"h": torch.zeros(batch, self.hidden_size)}

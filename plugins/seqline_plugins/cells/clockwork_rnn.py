"""The clockwork network: groups of units that move at different speeds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from seqline_plugins.cell import StepCell
from seqline_plugins.options import option


@dataclass
class Config:
    """Options of `cell=clockwork_rnn`."""

    groups: int = option(4, "groups of units; group g moves every 2^g steps", low=1, high=16)


class ClockworkRNN(StepCell):
    """h_t = tanh(W x_t + U h_{t-1} + b) in the groups whose turn it is, h_{t-1} in the others.

    A group sees its own past and that of slower ones; periods are 1, 2, 4, … as in the paper
    (Koutník, Greff, Gomez & Schmidhuber 2014). `clock` counts each row's steps.
    """

    Config = Config
    state = ("h", "clock")
    period: Tensor
    seen: Tensor

    def __init__(self, config: Any, input_size: int, hidden_size: int) -> None:
        super().__init__(config, input_size, hidden_size)
        group = torch.arange(hidden_size) * config.groups // hidden_size  # as equal as can be
        self.register_buffer("period", 2**group, persistent=False)
        self.register_buffer("seen", group.unsqueeze(0) >= group.unsqueeze(1), persistent=False)
        self.enter = nn.Linear(input_size, hidden_size)
        self.past = nn.Parameter(torch.empty(hidden_size, hidden_size))
        nn.init.orthogonal_(self.past)

    def initial_state(self, batch: int) -> dict[str, Tensor]:
        """Return zeros: every group moves at the first step."""
        h = self.past.new_zeros(batch, self.hidden_size)
        return {"h": h, "clock": torch.zeros(batch, 1, dtype=torch.int64, device=h.device)}

    def forward(self, x_t: Tensor, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """Move the groups whose period divides the clock."""
        moved = torch.tanh(self.enter(x_t) + state["h"] @ (self.past * self.seen).T)
        turn = state["clock"] % self.period == 0
        return {"h": torch.where(turn, moved, state["h"]), "clock": state["clock"] + 1}

"""Layers of recurrence, each added to what it reads."""

from dataclasses import dataclass
from typing import Any

from torch import nn

from seqline_plugins import Architecture, Kind, RecurrentStack, option, slot


@dataclass
class Config:
    """Options of `architecture=residual`."""

    cell: Any = slot("cell", "the cell of every layer")
    hidden_size: int = option(128, "units of each layer", low=1)
    num_layers: int = option(2, "layers on top of each other", low=1)


class Residual(Architecture):
    """h ← h + recurrence(h), layer by layer, reading forward."""

    Config = Config
    kind = Kind(input="sequence", output="aligned")

    def __init__(self, config, input_size, kernel="auto"):
        super().__init__(config, input_size, kernel)
        H = self.output_size = config.hidden_size
        self.enter = nn.Linear(input_size, H)
        self.layers = nn.ModuleList(
            RecurrentStack(config.cell, H, H, kernel=kernel) for _ in range(config.num_layers)
        )

    def initial_state(self, batch):
        states = [layer.initial_state(batch) for layer in self.layers]
        return {
            f"{n}.{key}": value for n, state in enumerate(states) for key, value in state.items()
        }

    def forward(self, features, lengths=None, state=None):
        state = self.initial_state(len(features)) if state is None else state
        return self._through(self.enter(features), state, lambda layer, h, s: layer(h, lengths, s))

    def step(self, features_t, state):
        return self._through(self.enter(features_t), state, lambda layer, h, s: layer.step(h, s))

    def _through(self, hidden, state, run):
        after = {}
        for n, layer in enumerate(self.layers):
            part = {key[len(f"{n}.") :]: v for key, v in state.items() if key.startswith(f"{n}.")}
            output, last = run(layer, hidden, part)
            hidden = hidden + output
            after |= {f"{n}.{key}": value for key, value in last.items()}
        return hidden, after

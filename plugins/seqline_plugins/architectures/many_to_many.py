"""Many-to-many of equal length: one output for every input."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from jaxtyping import Float, Int
from torch import Tensor

from seqline_plugins.architecture import Architecture, Kind, State
from seqline_plugins.dropout import drop
from seqline_plugins.options import option, slot
from seqline_plugins.recurrence import RecurrentStack


@dataclass
class Config:
    """Options of `architecture=many_to_many`."""

    cell: Any = slot("cell", "the cell of every layer")
    hidden_size: int = option(256, "units of each layer and direction", low=1)
    num_layers: int = option(1, "layers on top of each other", low=1)
    bidirectional: bool = option(True, "read backward as well (not for online tasks)")
    dropout: float = option(0.0, "share dropped between layers", low=0, high=0.99)
    input_dropout: float = option(0.5, "share of the features dropped", low=0, high=0.99)
    output_dropout: float = option(0.5, "share of the last outputs dropped", low=0, high=0.99)
    variational: bool = option(False, "drop the same features at every step of a sequence")


class ManyToMany(Architecture):
    """Cell × layers × directions between the task's ends: a tagger, a language model."""

    Config = Config
    kind = Kind("sequence", "aligned")

    def __init__(self, config: Any, input_size: int, kernel: str = "auto") -> None:
        super().__init__(config, input_size, kernel)
        self.recurrence = RecurrentStack.of(config, input_size, kernel)
        self.output_size = self.recurrence.output_size

    @staticmethod
    def is_causal(config: Any) -> bool:
        """Causal unless bidirectional."""
        return not config.bidirectional

    def initial_state(self, batch: int) -> State:
        """Return the state before the first step."""
        return self.recurrence.initial_state(batch)

    def forward(
        self,
        features: Float[Tensor, "B T I"],
        lengths: Int[Tensor, "B"] | None = None,
        state: State | None = None,
    ) -> tuple[Float[Tensor, "B T DH"], State]:
        """Return one hidden vector a step, and the state after each row's last step."""
        x = self._drop(features, self.config.input_dropout)
        hidden, after = self.recurrence(x, lengths, state)
        return self._drop(hidden, self.config.output_dropout), after

    def step(
        self, features_t: Float[Tensor, "B I"], state: State
    ) -> tuple[Float[Tensor, "B H"], State]:
        """Return the hidden vector of one step and the state after it."""
        x_t = self._drop(features_t, self.config.input_dropout)
        hidden, after = self.recurrence.step(x_t, state)
        return self._drop(hidden, self.config.output_dropout), after

    def _drop(self, x: Tensor, share: float) -> Tensor:
        return drop(x, share, self.training, self.config.variational)

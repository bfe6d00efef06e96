"""One-to-many: one entity in, a sequence out, each output fed back as the next input.

Letters: B batch, U steps of the output, I features of the entity, F features fed in, H hidden.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from seqline_plugins.architecture import Architecture, Kind, State
from seqline_plugins.bridge import Bridge
from seqline_plugins.dropout import drop
from seqline_plugins.options import option, slot
from seqline_plugins.recurrence import RecurrentStack

ENTITY = "entity"
AS = ("state", "input", "both")


@dataclass
class Config:
    """Options of `architecture=one_to_many`."""

    cell: Any = slot("cell", "the cell of every layer")
    entity: str = option(
        "both",
        "what the entity is: the initial state, an input of every step, or both",
        choices=AS,
    )
    hidden_size: int = option(256, "units of each layer", low=1)
    num_layers: int = option(1, "layers on top of each other", low=1)
    dropout: float = option(0.0, "share dropped between layers", low=0, high=0.99)
    input_dropout: float = option(0.0, "share of the features dropped", low=0, high=0.99)
    output_dropout: float = option(0.0, "share of the last outputs dropped", low=0, high=0.99)
    variational: bool = option(False, "drop the same features at every step of a sequence")


class OneToMany(Architecture):
    """A class, a vector or a first symbol in; text, music, a drawing out (Karpathy 2015).

    `encode` reads the entity, (B, 1, I), a sequence of one step, and gives the state before the
    first step of the output: s_0 = tanh(W e + b), or the entity kept as an input of every step,
    x_t = [y_{t−1}; e], or both. `forward` and `step` go on from there over what was written.
    """

    Config = Config
    kind = Kind("entity", "sequence")

    def __init__(
        self,
        config: Any,
        input_size: int,
        kernel: str = "auto",
        fed_size: int | None = None,
    ) -> None:
        super().__init__(config, input_size, kernel, fed_size)
        self.kept = config.entity != "state"
        fed = self.fed_size + (input_size if self.kept else 0)
        self.recurrence = RecurrentStack.of(config, fed, kernel)
        self.bridge: Bridge | None = None
        if config.entity != "input":
            entity = {ENTITY: torch.zeros(1, input_size)}
            targets = self.recurrence.settable(self.recurrence.initial_state(1))
            self.bridge = Bridge([entity], [targets])
        self.output_size = self.recurrence.output_size

    def encode(
        self, features: Float[Tensor, "B 1 I"], lengths: Int[Tensor, "B"] | None = None
    ) -> State:
        """Return the state before the output's first step; an entity has no length of its own."""
        entity = drop(features[:, 0], self.config.input_dropout, self.training)
        state = self.recurrence.initial_state(len(entity))
        if self.bridge is not None:
            (state,) = self.bridge([{ENTITY: entity}], [state])
        return state | ({ENTITY: entity} if self.kept else {})

    def initial_state(self, batch: int) -> State:
        """Return the state before the first step where no entity was read: it is zero."""
        state = self.recurrence.initial_state(batch)
        like = next(self.recurrence.parameters())
        return state | ({ENTITY: like.new_zeros(batch, self.input_size)} if self.kept else {})

    def forward(
        self,
        features: Float[Tensor, "B U F"],
        lengths: Int[Tensor, "B"] | None = None,
        state: State | None = None,
    ) -> tuple[Float[Tensor, "B U H"], State]:
        """Return one hidden vector a step of the output, and the state after each row's last.

        `features` are of what stands before each step, `state` is what `encode` gave, or an
        earlier call.
        """
        state = self.initial_state(len(features)) if state is None else state
        x = self._with_entity(self._drop(features, self.config.input_dropout), state)
        hidden, after = self.recurrence(x, lengths, _carried(state))
        return self._drop(hidden, self.config.output_dropout), state | after

    def step(
        self, features_t: Float[Tensor, "B F"], state: State
    ) -> tuple[Float[Tensor, "B H"], State]:
        """Return the hidden vector of one step of the output and the state after it."""
        x = self._drop(features_t, self.config.input_dropout)
        x_t = self._with_entity(x.unsqueeze(1), state)[:, 0]
        hidden, after = self.recurrence.step(x_t, _carried(state))
        return self._drop(hidden, self.config.output_dropout), state | after

    def _with_entity(self, x: Tensor, state: State) -> Tensor:
        if not self.kept:
            return x
        entity = state[ENTITY].to(x.dtype).unsqueeze(1).expand(-1, x.shape[1], -1)
        return torch.cat([x, entity], dim=-1)

    def _drop(self, x: Tensor, share: float) -> Tensor:
        return drop(x, share, self.training, self.config.variational)


def _carried(state: State) -> State:
    return {name: tensor for name, tensor in state.items() if name != ENTITY}

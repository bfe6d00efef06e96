"""The decoder: layers over the target, one of which looks at the source.

Letters: B batch, U target steps, S source places, I features fed in, H hidden features, M memory.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from seqline_plugins.architectures.encoder_decoder.attention import Attention
from seqline_plugins.architectures.encoder_decoder.config import Config
from seqline_plugins.linear import Linear
from seqline_plugins.recurrence.layer import RecurrentLayer
from seqline_plugins.steps import StepsTogether

State = dict[str, Tensor]
Drop = Callable[[str, Tensor], Tensor]
"""(place, x) → x, a share of it dropped."""


class Written(NamedTuple):
    """hidden (B, U, H), weights (B, U, S), the state after it, gate (B, U).

    There are no weights without attention, and no gate without copying.
    """

    hidden: Tensor
    weights: Tensor | None
    state: State
    gate: Tensor | None = None


class Decoder(nn.Module):
    """Layers of a cell; h̃ = tanh(W [h; c]) of the top layer's output and what was looked at.

    Without input feeding each layer runs all steps in one go. With it the first layer reads
    [x_t; h̃_{t−1}] and there is no other way than step by step.
    """

    def __init__(self, config: Config, input_size: int, kernel: str) -> None:
        super().__init__()
        H, M = config.decoder_size, config.memory_size
        self.config, self.hidden_size = config, H
        count = config.decoder.num_layers
        self.looks = 0 if config.attend_from == "first" else count - 1
        self.stepwise = config.input_feeding or config.coverage
        attends = config.attention != "none"
        self.attention: Attention | None = None
        if attends:
            size = config.attention_size or H
            self.attention = Attention(config.attention, H, M, size, config.coverage)
            self.out = Linear(H + M, H)
        self.gate = Linear(H + M + input_size, 1) if config.copy else None
        sizes = [input_size + (H if config.input_feeding else 0)]
        sizes += [H + (M if attends and number > self.looks else 0) for number in range(1, count)]
        self.layers = nn.ModuleList(
            RecurrentLayer(config.decoder.cell, size, H, kernel=kernel) for size in sizes
        )

    def initial_layers(self, batch: int) -> list[State]:
        """Return the state of each layer before anything is read."""
        return [layer.initial_state(batch) for layer in self._layers()]

    def settable_layers(self) -> list[State]:
        """Return an example of what may be set of each layer's state."""
        return [layer.settable(layer.initial_state(1)) for layer in self._layers()]

    def initial_state(
        self,
        layers: list[State],
        memory: Float[Tensor, "B S M"],
        lengths: Int[Tensor, "B"],
    ) -> State:
        """Return the state before the first step; `layers` are the first states of each."""
        state = {
            f"layer{number}.{name}": tensor
            for number, one in enumerate(layers)
            for name, tensor in one.items()
        }
        if self.attention is not None:
            state |= {"memory": memory, "keys": self.attention.keys(memory), "lengths": lengths}
            state["coverage"] = memory.new_zeros(memory.shape[:2])
        if self.config.input_feeding:
            state["fed"] = memory.new_zeros(len(memory), self.hidden_size)
        return state

    def forward(
        self,
        x: Float[Tensor, "B U I"],
        lengths: Int[Tensor, "B"] | None,
        state: State,
        drop: Drop,
    ) -> Written:
        """Return the outputs, 0 past each row's length, the weights and the state after it."""
        if not self.stepwise or x.shape[1] == 1:
            done = self._run(x, lengths, state, drop)
        else:
            steps = []
            with StepsTogether():
                for t in range(x.shape[1]):
                    one = self._run(x[:, t : t + 1], None, state, drop)
                    state = one.state if lengths is None else _kept(lengths > t, one.state, state)
                    steps.append(one)
            hidden = torch.cat([one.hidden for one in steps], dim=1)
            weights = [one.weights for one in steps if one.weights is not None]
            gates = [one.gate for one in steps if one.gate is not None]
            gate = torch.cat(gates, dim=1) if gates else None
            done = Written(hidden, torch.cat(weights, dim=1), state, gate)
        if lengths is None:
            return done
        valid = torch.arange(x.shape[1], device=x.device) < lengths.unsqueeze(-1)
        return done._replace(hidden=done.hidden * valid.unsqueeze(-1))

    def _run(self, x: Tensor, lengths: Tensor | None, state: State, drop: Drop) -> Written:
        """All steps of x in one go; with input feeding or coverage x has only one."""
        given, gate = x, None
        if self.config.input_feeding:
            x = torch.cat([x, state["fed"].unsqueeze(1).to(x.dtype)], dim=-1)
        after, weights, context = dict(state), None, None
        for number, layer in enumerate(self._layers()):
            if number:
                x = drop(f"layer{number}", x)
                x = x if context is None else torch.cat([x, context.to(x.dtype)], dim=-1)
            prefix = f"layer{number}."
            before = {
                name.removeprefix(prefix): tensor
                for name, tensor in state.items()
                if name.startswith(prefix)
            }
            x, last = layer(x, lengths, before)
            after |= {prefix + name: tensor for name, tensor in last.items()}
            if self.attention is not None and number == self.looks:
                context, weights = self._look(self.attention, x, state)
        if context is not None and self.gate is not None:
            gate = self.gate(torch.cat([x, context.to(x.dtype), given], dim=-1)).squeeze(-1)
        if context is not None:
            x = self.out(torch.cat([x, context.to(x.dtype)], dim=-1)).tanh()
        if self.config.input_feeding:
            after["fed"] = x[:, 0]
        if weights is not None:
            after["coverage"] = state["coverage"] + weights.sum(dim=1)
        return Written(x, weights, after, gate)

    @staticmethod
    def _look(attention: Attention, query: Tensor, state: State) -> tuple[Tensor, Tensor]:
        memory, keys, lengths = state["memory"], state["keys"], state["lengths"]
        coverage = state["coverage"] if attention.of_coverage is not None else None
        context, weights = attention(query, keys, memory, lengths, coverage)
        return context, weights

    def _layers(self) -> list[RecurrentLayer]:
        return list(self.layers)  # type: ignore[arg-type]


LASTING = ("memory", "keys", "lengths")


def _kept(on: Tensor, new: State, old: State) -> State:
    """Return the new state of the rows that go on, the old one of those that have ended."""
    return {
        name: old[name]
        if name in LASTING
        else torch.where(on.view(-1, *[1] * (tensor.dim() - 1)), tensor, old[name])
        for name, tensor in new.items()
    }

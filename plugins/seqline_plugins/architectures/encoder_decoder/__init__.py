"""Encoder-decoder: a sequence in, a sequence of another length out.

Two networks with weights of their own (Cho et al. 2014, Sutskever et al. 2014): the encoder reads
the source, the decoder writes the target, each step given the one before it.
Letters: B batch, U target steps, S source places, I features, H hidden features.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from seqline_plugins.architecture import Architecture, Attended, Kind, State
from seqline_plugins.architectures.encoder_decoder.config import Config
from seqline_plugins.architectures.encoder_decoder.decoder import LASTING, Decoder, Written
from seqline_plugins.bridge import Bridge
from seqline_plugins.dropout import Dropper, drop
from seqline_plugins.recurrence import RecurrentStack

__all__ = ["EncoderDecoder"]


class EncoderDecoder(Architecture):
    """Encoder, bridge, decoder with attention: translation, summarization.

    `encode` reads a source and gives the state before the target's first step; `forward` and
    `step` go on from there over what the target has so far.
    """

    Config = Config
    kind = Kind("sequence", "sequence")
    lasting = LASTING

    def __init__(
        self,
        config: Any,
        input_size: int,
        kernel: str = "auto",
        fed_size: int | None = None,
    ) -> None:
        super().__init__(config, input_size, kernel, fed_size)
        encoder = config.encoder
        self.encoder = RecurrentStack(
            encoder.cell,
            input_size,
            config.encoder_size,
            num_layers=encoder.num_layers,
            direction="both" if encoder.bidirectional else "forward",
            dropout=config.dropout,
            variational=config.variational,
            kernel=kernel,
        )
        self.decoder = Decoder(config, self.fed_size, kernel)
        sources = _by_layer(self.encoder.initial_state(1), encoder.num_layers)
        self.bridge = Bridge(sources, self.decoder.settable_layers())
        self.output_size = config.decoder_size

    @staticmethod
    def is_causal(config: Any) -> bool:
        """Never: the whole source is read before anything is written."""
        return False

    @staticmethod
    def is_attentive(config: Any) -> bool:
        """Unless there is no attention."""
        return bool(config.attention != "none")

    def encode(
        self, features: Float[Tensor, "B S I"], lengths: Int[Tensor, "B"] | None = None
    ) -> State:
        """Return the state before the target's first step."""
        B, S = features.shape[:2]
        x = drop(features, self.config.input_dropout, self.training, self.config.variational)
        memory, after = self.encoder(x, lengths)
        if lengths is None:
            lengths = torch.full((B,), S, device=features.device)
        layers = _by_layer(after, self.config.encoder.num_layers)
        starts = self.decoder.initial_layers(B)
        return self.decoder.initial_state(self.bridge(layers, starts), memory, lengths)

    def initial_state(self, batch: int) -> State:
        """Return the state before the first step where no source was read."""
        like = next(self.decoder.parameters())
        memory = like.new_zeros(batch, 0, self.config.memory_size)
        lengths = torch.zeros(batch, dtype=torch.int64, device=like.device)
        return self.decoder.initial_state(self.decoder.initial_layers(batch), memory, lengths)

    def attend(
        self,
        features: Float[Tensor, "B U I"],
        lengths: Int[Tensor, "B"] | None = None,
        state: State | None = None,
    ) -> Attended:
        """Return what `forward` does and what was looked at."""
        done = self._run(features, lengths, state)
        assert done.weights is not None, "attention=none"
        return Attended(done.hidden, done.weights, done.state, done.gate)

    def _run(self, features: Tensor, lengths: Tensor | None, state: State | None) -> Written:
        state = self.initial_state(len(features)) if state is None else state
        if lengths is not None:
            valid = torch.arange(features.shape[1], device=features.device) < lengths.unsqueeze(-1)
            features = features.masked_fill(~valid.unsqueeze(-1), 0)  # whatever stands there
        config = self.config
        x = drop(features, config.input_dropout, self.training, config.variational)
        inner = Dropper(config.dropout, self.training, config.variational)
        done = self.decoder(x, lengths, state, inner)
        hidden = drop(done.hidden, config.output_dropout, self.training, config.variational)
        return done._replace(hidden=hidden)

    def coverage(self, state: State) -> Float[Tensor, "R S"]:
        """Return the sum of attention's weights, 1 past the source's end."""
        covered, lengths = state["coverage"], state["lengths"]
        past = torch.arange(covered.shape[1], device=covered.device) >= lengths.unsqueeze(-1)
        return covered.masked_fill(past.repeat_interleave(len(covered) // len(past), 0), 1.0)

    def forward(
        self,
        features: Float[Tensor, "B U I"],
        lengths: Int[Tensor, "B"] | None = None,
        state: State | None = None,
    ) -> tuple[Float[Tensor, "B U H"], State]:
        """Return one hidden vector a target step, and the state after each row's last step.

        `features` are of what stands before each step of the target, `state` is what `encode`
        gave, or an earlier call.
        """
        done = self._run(features, lengths, state)
        return done.hidden, done.state

    def step(
        self, features_t: Float[Tensor, "B I"], state: State
    ) -> tuple[Float[Tensor, "B H"], State]:
        """Return the hidden vector of one target step and the state after it."""
        done = self._run(features_t.unsqueeze(1), None, state)
        return done.hidden[:, 0], done.state


def _by_layer(state: State, count: int) -> list[State]:
    """Return the encoder's state, a part for each layer, its directions side by side."""
    return [
        {
            name.removeprefix(f"layer{number}."): tensor
            for name, tensor in state.items()
            if name.startswith(f"layer{number}.")
        }
        for number in range(count)
    ]

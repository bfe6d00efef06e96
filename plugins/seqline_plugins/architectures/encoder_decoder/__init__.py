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

from seqline_plugins.architecture import Architecture, Kind, State
from seqline_plugins.architectures.encoder_decoder.config import Config
from seqline_plugins.architectures.encoder_decoder.decoder import LASTING, Attended, Decoder
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
        self.bridge = Bridge(sources, self.decoder.initial_layers(1))
        self.output_size = config.decoder_size

    @staticmethod
    def is_causal(config: Any) -> bool:
        """Never: the whole source is read before anything is written."""
        return False

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
        """Return what `forward` does and the weights of attention, (B, U, S)."""
        state = self.initial_state(len(features)) if state is None else state
        if lengths is not None:
            valid = torch.arange(features.shape[1], device=features.device) < lengths.unsqueeze(-1)
            features = features.masked_fill(~valid.unsqueeze(-1), 0)  # whatever stands there
        config = self.config
        x = drop(features, config.input_dropout, self.training, config.variational)
        inner = Dropper(config.dropout, self.training, config.variational)
        done = self.decoder(x, lengths, state, inner)
        hidden = drop(done.hidden, config.output_dropout, self.training, config.variational)
        return Attended(hidden, done.weights, done.state)

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
        hidden, _, after = self.attend(features, lengths, state)
        return hidden, after

    def step(
        self, features_t: Float[Tensor, "B I"], state: State
    ) -> tuple[Float[Tensor, "B H"], State]:
        """Return the hidden vector of one target step and the state after it."""
        hidden, _, after = self.attend(features_t.unsqueeze(1), None, state)
        return hidden[:, 0], after


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

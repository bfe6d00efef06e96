"""Options of `architecture=encoder_decoder`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from seqline_plugins.options import option, slot

ATTENTIONS = ("none", "dot", "general", "additive")


@dataclass
class Encoder:
    """What reads the source."""

    cell: Any = slot("cell", "the cell of the encoder")
    hidden_size: int | None = option(
        None, "units of each layer and direction; null is architecture.hidden_size", low=1
    )
    num_layers: int = option(1, "layers on top of each other", low=1)
    bidirectional: bool = option(True, "read the source backward as well")


@dataclass
class Decoder:
    """What writes the target."""

    cell: Any = slot("cell", "the cell of the decoder")
    hidden_size: int | None = option(
        None, "units of each layer; null is architecture.hidden_size", low=1
    )
    num_layers: int = option(1, "layers on top of each other", low=1)


@dataclass
class Config:
    """Options of `architecture=encoder_decoder`."""

    encoder: Encoder = field(default_factory=Encoder)
    decoder: Decoder = field(default_factory=Decoder)
    hidden_size: int = option(256, "units of each layer and direction", low=1)
    attention: str = option("general", "how a step looks at the source", choices=ATTENTIONS)
    attention_size: int | None = option(
        None, "units of additive attention; null is the decoder's hidden_size", low=1
    )
    attend_from: str = option(
        "last",
        "the decoder layer that looks at the source; what it sees goes to all layers above",
        choices=("first", "last"),
    )
    input_feeding: bool = option(
        False, "each step reads what the one before it gave out; then no step can be hoisted"
    )
    coverage: bool = option(
        False, "additive attention sees how much it has looked at each place already"
    )
    copy: bool = option(
        False, "each step may also copy a piece that it looks at; needs one vocabulary"
    )
    dropout: float = option(0.0, "share dropped between layers", low=0, high=0.99)
    input_dropout: float = option(0.2, "share of the features dropped", low=0, high=0.99)
    output_dropout: float = option(0.2, "share of the last outputs dropped", low=0, high=0.99)
    variational: bool = option(False, "drop the same features at every step of a sequence")

    def __post_init__(self) -> None:
        for name in ("input_feeding", "coverage", "copy"):
            if self.attention == "none" and getattr(self, name):
                raise ValueError(f"{name}: found true, but there is no attention: attention=none")
        if self.coverage and self.attention != "additive":
            raise ValueError(f"coverage: needs attention=additive, found {self.attention}")
        if self.attention == "dot" and self.memory_size != self.decoder_size:
            raise ValueError(
                f"attention=dot multiplies the encoder's {self.memory_size} outputs with the "
                f"decoder's {self.decoder_size}, which must be as many; set "
                f"architecture.decoder.hidden_size={self.memory_size} or attention=general"
            )

    @property
    def encoder_size(self) -> int:
        """Units of each encoder layer and direction."""
        return self.encoder.hidden_size or self.hidden_size

    @property
    def memory_size(self) -> int:
        """Features that the encoder gives of each place of the source."""
        return self.encoder_size * (2 if self.encoder.bidirectional else 1)

    @property
    def decoder_size(self) -> int:
        """Units of each decoder layer."""
        return self.decoder.hidden_size or self.hidden_size

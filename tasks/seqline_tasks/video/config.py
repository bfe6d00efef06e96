"""Options of `task=video`."""

from __future__ import annotations

from dataclasses import dataclass, field

from seqline_plugins.options import option


@dataclass
class Convolution:
    """A small convolution over each frame; not for key points."""

    channels: int = option(16, "channels of the first layer, doubled in the second", low=1)
    size: int = option(64, "features of a frame", low=1)
    dropout: float = option(0.0, "share of a frame's features dropped", low=0, high=0.99)


@dataclass
class Augment:
    """Changes of key points in training that leave the gesture what it is."""

    noise: float = option(0.0, "spread added to each coordinate, in spreads of the data", low=0)
    scale: float = option(0.0, "largest share by which all points grow or shrink", low=0, high=0.9)
    turn: float = option(0.0, "largest angle by which all points are turned, degrees", low=0)
    shift: int = option(0, "most frames by which a recording begins later or earlier", low=0)


@dataclass
class Config:
    """Naming what is seen in a row of frames, or of key points."""

    coordinates: int = option(2, "numbers of a frame in CSV rows: x, y of one point are 2", low=1)
    moves: bool = option(True, "key points: read also how far they moved since the frame before")
    train: int = option(1500, "built-in: training clips", low=20)
    others: int = option(300, "built-in: clips of validation and of test", low=10)
    convolution: Convolution = field(default_factory=Convolution)
    augment: Augment = field(default_factory=Augment)

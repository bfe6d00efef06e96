"""Options of `task=music`."""

from __future__ import annotations

from dataclasses import dataclass, field

from seqline_plugins.options import option


@dataclass
class Chain:
    """A chain over the keys of a frame, in which each hears those below it."""

    units: int = option(0, "units that hear the lower keys; 0 makes each key alone", low=0)
    dropout: float = option(0.0, "share of those units dropped", low=0, high=0.99)


@dataclass
class Config:
    """Music as frames of 88 keys."""

    online: bool = option(False, "tell each frame from those before it, as they come")
    frames_per_quarter: int = option(2, "frames of a quarter note", low=1, high=96)
    to_c: bool = option(
        True, "move pieces with a key signature to the one without sharps and flats"
    )
    chain: Chain = field(default_factory=Chain)

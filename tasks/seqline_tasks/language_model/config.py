"""Options of the tasks over running text."""

from __future__ import annotations

from dataclasses import dataclass, field

from seqline_plugins.options import option

BEGINNING, CLASS = "beginning", "class"


@dataclass
class Characters:
    """A vector a character."""

    size: int = option(128, "numbers in a character's vector", low=1)
    min_count: int = option(1, "characters seen less often in training are unknown", low=1)


@dataclass
class Samples:
    """What is written at the evaluation, to be looked at and counted; `decode` says how."""

    count: int = option(4, "texts", low=0)
    length: int = option(500, "characters of a text, where decode.max_length is null", low=1)


@dataclass
class Config:
    """Running text, character by character."""

    characters: Characters = field(default_factory=Characters)
    window: int = option(
        64,
        "characters that many_to_one reads before each that it tells; of a piece that one_to_many "
        "writes",
        low=1,
    )
    entity: str = option(
        BEGINNING,
        "what one_to_many makes a text from: its first characters, or its class (a library, an "
        "author: a file or folder for each)",
        choices=(BEGINNING, CLASS),
    )
    beginning: int = option(
        16, "first characters of a piece that one_to_many is given, at most all", low=1
    )
    samples: Samples = field(default_factory=Samples)

    @property
    def first(self) -> int:
        """The characters that one_to_many is given: no more than a piece has; of a class one."""
        return 1 if self.entity == CLASS else min(self.beginning, self.window)

"""Options of `task=classification`."""

from __future__ import annotations

from dataclasses import dataclass, field

from seqline_plugins.options import option
from seqline_tasks.classification.words import TOKENS
from seqline_tasks.pos_tagging import config as of_tagger

WORDS, VECTORS = "words", "vectors"


@dataclass
class Words(of_tagger.Words):
    """A vector a word, however it is capitalized unless asked otherwise."""

    lowercase: bool = option(True, "one vector for a word however it is capitalized")


@dataclass
class Characters(of_tagger.Characters):
    """A word's characters through a cell of their own, unless asked for not read."""

    hidden_size: int = option(0, "units of each layer and direction, 0 for no characters", low=0)


@dataclass
class Affixes(of_tagger.Affixes):
    """A vector for the first and the last 1 to n characters of a word, unless asked for none."""

    size: int = option(0, "numbers in each affix's vector, 0 for none", low=0)


@dataclass
class Shape(of_tagger.Shape):
    """A vector for a word's shape, unless asked for none."""

    size: int = option(0, "numbers in a shape's vector, 0 for none", low=0)


@dataclass
class Config:
    """Classification of texts, or of rows of vectors."""

    read: str = option(
        WORDS,
        "what is classified: the words of a text, or vectors in a row",
        choices=(WORDS, VECTORS),
    )
    words: Words = field(default_factory=Words)
    characters: Characters = field(default_factory=Characters)
    affixes: Affixes = field(default_factory=Affixes)
    shape: Shape = field(default_factory=Shape)
    tokens: str = option(
        "words", "how a text is cut: words and signs, or at its spaces alone", choices=TOKENS
    )
    longest: int = option(200, "words or vectors that are read, the first ones", low=1)
    dimensions: int = option(1, "vectors: numbers of each step in CSV rows", low=1)

"""Options of `task=pos_tagging`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from seqline_plugins.options import option, slot


@dataclass
class Words:
    """A vector a word."""

    size: int = option(128, "numbers in a word's vector, 0 for none", low=0)
    lowercase: bool = option(False, "one vector for a word however it is capitalized")
    min_count: int = option(2, "words seen less often in training are unknown", low=1)
    dropout: float = option(
        0.25, "a word seen n times becomes unknown with probability a / (a + n), this is a", low=0
    )


@dataclass
class Characters:
    """A word's characters through a cell of their own, its last outputs."""

    cell: Any = slot("cell", "the cell that reads the characters")
    size: int = option(32, "numbers in a character's vector", low=1)
    hidden_size: int = option(64, "units of each layer and direction, 0 for no characters", low=0)
    num_layers: int = option(1, "layers on top of each other", low=1)
    bidirectional: bool = option(True, "read each word backward as well")
    max_length: int = option(32, "of longer words only the beginning and the end are read", low=2)


@dataclass
class Affixes:
    """A vector for the first and the last 1 to n characters of a word."""

    size: int = option(32, "numbers in each affix's vector, 0 for none", low=0)
    longest: int = option(4, "the longest affix, in characters", low=1, high=8)
    min_count: int = option(3, "affixes of fewer training words are unknown", low=1)


@dataclass
class Shape:
    """A vector for a word's shape: capitals, digits, signs."""

    size: int = option(16, "numbers in a shape's vector, 0 for none", low=0)


@dataclass
class Auxiliary:
    """Other columns of the training files, learned beside the tags and then forgotten."""

    columns: list[str] = option([], "columns of CoNLL-U: upos, xpos, feats, deprel")
    weight: float = option(0.3, "their share in the loss, the tags' being 1", low=0)
    min_count: int = option(3, "labels of fewer training words are not learned", low=1)


@dataclass
class Config:
    """Part-of-speech tagging."""

    online: bool = option(False, "tag each word without looking at later ones")
    passage: int = option(
        0,
        "sentences in a row are read together up to so many words, so that each sees its "
        "neighbours; 0: each by itself",
        low=0,
    )
    crf: bool = option(False, "score pairs of neighbours' tags too: one distribution a sentence")
    words: Words = field(default_factory=Words)
    characters: Characters = field(default_factory=Characters)
    affixes: Affixes = field(default_factory=Affixes)
    shape: Shape = field(default_factory=Shape)
    auxiliary: Auxiliary = field(default_factory=Auxiliary)

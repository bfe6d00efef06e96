"""A task, architectures and cells of another package, with every kind of option."""

from __future__ import annotations

import pytest

NAMING = """
from __future__ import annotations
from dataclasses import dataclass, field
from typing import Any
from seqline_plugins import Architecture, GatedCell, Kind, Metric, NoOptions, Task, option, slot


@dataclass
class LeakyConfig:
    leak: float = option(0.1, "share that leaks", low=0, high=1)
    gain: float | None = option(None, "its gain", above=0)


class Leaky(GatedCell):
    Config = LeakyConfig
    gates = ("candidate",)

    def equations(self, t):
        return {"h": t.x.candidate}


@dataclass
class SharpConfig:
    sharpness: int = option(2, "how sharp", low=1)


class Sharp(Leaky):
    Config = SharpConfig


@dataclass
class Characters:
    cell: dict[str, Any] = slot("cell", "reads the letters of a word")
    hidden_size: int = option(50, "units of each direction", low=0)


@dataclass
class NamingConfig:
    characters: Characters = field(default_factory=Characters)
    online: bool = option(False, "work without look-ahead")
    affixes: list[int] = option([1, 2, 3], "lengths of affixes", low=1)


class Naming(Task):
    Config = NamingConfig
    kinds = (Kind("sequence", "aligned"),)
    metrics = (Metric("accuracy"), Metric("accuracy_unseen"))
    primary = "accuracy"


@dataclass
class TwoWayConfig:
    cell: dict[str, Any] = slot()
    hidden_size: int = option(256, "units of each layer", low=1)
    num_layers: int = option(1, "layers", low=1)
    bidirectional: bool = option(True, "read backward as well")
    dropout: float = option(0.0, "share dropped between layers", low=0, high=0.99)
    norm: str = option("none", "what is normed", choices=("none", "layer"))


class TwoWay(Architecture):
    Config = TwoWayConfig
    kind = Kind("sequence", "aligned")

    @staticmethod
    def is_causal(config):
        return not config.bidirectional


class Summary(TwoWay):
    kind = Kind("sequence", "entity")
"""


@pytest.fixture
def naming(install) -> list[str]:
    """Install the package; the overrides that choose it."""
    install(
        "naming",
        NAMING,
        cells={"leaky": "naming:Leaky", "sharp": "naming:Sharp"},
        architectures={"two_way": "naming:TwoWay", "summary": "naming:Summary"},
        tasks={"naming": "naming:Naming"},
    )
    return ["task=naming", "architecture=two_way", "cell=leaky"]

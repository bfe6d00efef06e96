"""Options of `task=drawing`."""

from __future__ import annotations

from dataclasses import dataclass

from seqline_plugins.options import option


@dataclass
class Config:
    """Drawings as strokes of a pen."""

    label: str = option(
        "strokes",
        "the class that a drawing is made from: how many strokes it has, the folder of its file, "
        "or none",
        choices=("strokes", "folder", "none"),
    )
    min_count: int = option(
        50, "classes of fewer training drawings are merged: numbers of strokes at either end", low=1
    )
    label_size: int = option(16, "numbers in a class's vector", low=1)
    components: int = option(20, "normals in the mixture over the pen's offset", low=1)
    smallest: float = option(
        0.05, "least spread of a normal, where a usual offset is 1", above=0, high=1
    )
    tolerance: float = option(
        0.015, "SVG: how far a line may leave its curve, as a share of the drawing's size", above=0
    )
    most_points: int = option(
        250, "training drawings of more points are left out, and counted", low=1
    )

"""Drawings as offsets of a pen: from strokes and back.

A drawing is a list of points [Δx, Δy, lifted]: how far from the point before, y downwards, and 1 if
the pen is lifted after it (stroke-3 of Ha & Eck 2017). The pen begins on the paper at (0, 0).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from seqline_plugins.errors import UserError

Points = list[list[float]]
Line = NDArray[np.float64]
"""A stroke's points one after the other, (n, 2)."""


def points_of(strokes: Sequence[Line]) -> Points:
    """Return strokes as offsets; the first begins at (0, 0), wherever it lay."""
    points: Points = []
    at = strokes[0][0]
    for number, stroke in enumerate(strokes):
        for place in stroke[1:] if number == 0 else stroke:
            dx, dy = (place - at).tolist()
            points.append([dx, dy, 0])
            at = place
        if points:
            points[-1][2] = 1
    return points


def strokes_of(points: Sequence[Sequence[float]]) -> list[Line]:
    """Return the strokes that offsets draw, the first from (0, 0)."""
    strokes: list[list[tuple[float, float]]] = [[(0.0, 0.0)]]
    x = y = 0.0
    for dx, dy, lifted in points:
        x, y = x + dx, y + dy
        strokes[-1].append((x, y))
        if lifted:
            strokes.append([])
    return [np.asarray(stroke) for stroke in strokes if stroke]


def stroke_count(points: Sequence[Sequence[float]]) -> int:
    """Return how many strokes a drawing has."""
    lifted = sum(1 for point in points if point[2])
    return lifted + (0 if points and points[-1][2] else 1)


def spelled_points(points: Sequence[Sequence[float]]) -> str:
    """Return points as text, "Δx,Δy,lifted" apart by spaces."""
    return " ".join(f"{dx:.5g},{dy:.5g},{lifted:g}" for dx, dy, lifted in points)


def read_points(text: str, place: str) -> Points:
    """Read what `spelled_points` writes; raises `UserError` naming the place of anything else."""
    points: Points = []
    for word in text.split():
        try:
            point = [float(one) for one in word.split(",")]
        except ValueError:
            point = []
        if len(point) != 3 or point[2] not in (0, 1):
            raise UserError(
                f"{place}: found '{word}', expected points as in '12,-3,0 4,0,1': Δx, Δy and 1 "
                "where the pen is lifted."
            )
        points.append(point)
    return points


def simplified(line: Line, tolerance: float) -> Line:
    """Leave out points that are no further than `tolerance` from the line through those kept.

    Ramer 1972, Douglas & Peucker 1973.
    """
    kept = np.zeros(len(line), dtype=bool)
    kept[[0, -1]] = True
    spans = [(0, len(line) - 1)]
    while spans:
        first, last = spans.pop()
        if last - first < 2:
            continue
        far = _distances(line[first + 1 : last], line[first], line[last])
        place = int(far.argmax())
        if far[place] > tolerance:
            middle = first + 1 + place
            kept[middle] = True
            spans += [(first, middle), (middle, last)]
    return line[kept]


def _distances(places: Line, start: Line, end: Line) -> Line:
    """Return how far places lie from the segment between two points."""
    along = end - start
    square = float(along @ along)
    if square == 0:
        return np.hypot(*(places - start).T)
    share = ((places - start) @ along / square).clip(0, 1)
    return np.hypot(*(places - start - share[:, None] * along).T)

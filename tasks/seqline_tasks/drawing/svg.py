"""SVG: the strokes in a file, and a file of given strokes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from seqline_plugins.errors import UserError
from seqline_tasks.drawing.strokes import Line, simplified

PIECES = 16
"""Straight pieces of a curve, before those that do no good are left out."""
MARGIN = 0.06
_ALONG = np.linspace(0, 1, PIECES + 1)[1:, None]


def read_strokes(path: Path, tolerance: float) -> list[Line]:
    """Return the strokes of a file's paths and shapes, its longer side scaled to 1.

    Each part of a path that is drawn without lifting the pen is one. A curve is drawn as lines that
    leave it by `tolerance` at most. Raises `UserError` for a file that is no SVG or draws nothing.
    """
    from fontTools.pens.recordingPen import RecordingPen
    from fontTools.svgLib.path import SVGPath

    pen = RecordingPen()
    try:
        SVGPath.fromstring(path.read_bytes()).draw(pen)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror or error}).") from error
    except (ElementTree.ParseError, SyntaxError, ValueError, TypeError, IndexError) as error:
        raise UserError(f"{path}: cannot be read as SVG ({error}).") from error
    strokes = [stroke for stroke in _flattened(pen.value) if len(stroke) > 1]
    everything = np.concatenate(strokes) if strokes else np.zeros((1, 2))
    size = float(np.ptp(everything, axis=0).max())
    if not strokes or size == 0:
        raise UserError(f"{path}: found no paths that draw anything, expected an SVG of strokes.")
    return [simplified(stroke / size, tolerance) for stroke in strokes]


def svg_of(strokes: Sequence[Line], width: float = 0.02) -> str:
    """Return an SVG of strokes, a path each, just as large as they are."""
    everything = np.concatenate(list(strokes)) if strokes else np.zeros((1, 2))
    low, high = everything.min(0), everything.max(0)
    size = max(float((high - low).max()), 1e-6)
    x, y = low - MARGIN * size
    w, h = high - low + 2 * MARGIN * size
    root = ElementTree.Element(
        "svg", xmlns="http://www.w3.org/2000/svg", viewBox=f"{x:g} {y:g} {w:g} {h:g}"
    )
    style = {"fill": "none", "stroke": "black", "stroke-width": f"{width * size:g}"}
    round_ends = {"stroke-linecap": "round", "stroke-linejoin": "round"}
    group = ElementTree.SubElement(root, "g", {**style, **round_ends})
    for stroke in strokes:
        places = " L".join(f"{px:.5g},{py:.5g}" for px, py in stroke.tolist())
        ElementTree.SubElement(group, "path", d=f"M{places}")
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode") + "\n"


def _flattened(commands: Sequence[tuple[str, tuple[tuple[float, float], ...]]]) -> list[Line]:
    """Return what a pen of fontTools was told as lines."""
    strokes: list[list[NDArray[np.float64]]] = []
    for name, given in commands:
        places = [np.asarray(place, dtype=np.float64) for place in given if place is not None]
        if name == "moveTo":
            strokes.append([places[0]])
        elif name == "lineTo":
            strokes[-1].append(places[0])
        elif name == "curveTo":
            strokes[-1] += list(_bezier([strokes[-1][-1], *places]))
        elif name == "qCurveTo":
            start, control, end = strokes[-1][-1], places[0], places[-1]
            first, second = (one + 2 / 3 * (control - one) for one in (start, end))
            strokes[-1] += list(_bezier([start, first, second, end]))
        elif name == "closePath":
            strokes[-1].append(strokes[-1][0])
    return [np.stack(stroke) for stroke in strokes]


def _bezier(places: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return points of a cubic curve, its first left out."""
    a, b, c, d = places
    t, s = _ALONG, 1 - _ALONG
    found: NDArray[np.float64] = s**3 * a + 3 * s**2 * t * b + 3 * s * t**2 * c + t**3 * d
    return found

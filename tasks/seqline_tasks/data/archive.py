"""Labelled series in `.ts` files, as the archives of time series classification keep them.

    @dimensions 2
    @classLabel true left right
    @data
    0.1,0.2,0.3:1.5,1.4,1.2:left

A line a case, a list for each dimension, then the class (Bagnall et al. 2018, the UEA archive).
Letters: T steps, F dimensions.
"""

from __future__ import annotations

import math
from pathlib import Path

from seqline_plugins.errors import UserError, nearest
from seqline_plugins.task.source import Example
from seqline_tasks.data.files import read_lines

SUFFIX = ".ts"


def read_archive(path: Path) -> list[Example]:
    """Return {"frames": (T, F) as lists, "label": name, "place": "FILE, line N"} of each case.

    Raises `UserError` naming the line for what is no case, for values that are missing, and for
    classes that the head of the file does not name.
    """
    examples: list[Example] = []
    classes: list[str] | None = None
    begun = False
    for number, line in read_lines(path):
        text, place = line.strip(), f"{path}, line {number}"
        if not text or text.startswith("#"):
            continue
        if begun:
            examples.append(_case(text, classes or [], place))
            if len(examples[-1]["frames"][0]) != len(examples[0]["frames"][0]):
                found, first = (len(examples[n]["frames"][0]) for n in (-1, 0))
                raise UserError(f"{place}: found {found} dimensions, expected {first} as before.")
            continue
        tag, *words = text.split()
        given = (tag.lower(), words[0].lower() if words else "")
        if given == ("@timestamps", "true"):
            raise UserError(f"{place}: series with times are not read, expected one value a step.")
        if given == ("@classlabel", "true"):
            classes = words[1:]
        begun = tag.lower() == "@data"
        if begun and not classes:
            raise UserError(f"{place}: no class is named, expected '@classLabel true NAME NAME …'.")
    if not examples:
        raise UserError(f"{path}: found no case, expected '@data' and a line for each.")
    return examples


def _case(text: str, classes: list[str], place: str) -> Example:
    *series, label = (part.strip() for part in text.split(":"))
    if not series or label not in classes:
        known = ", ".join(classes[:8])
        raise UserError(
            f"{place}: found '{label[:40]}' at the end, expected a class after the last colon: "
            f"{known}.{nearest(label, classes)}"
        )
    try:
        columns = [[float(word) for word in one.split(",")] for one in series]
    except ValueError as error:
        raise UserError(
            f"{place}: {error}, expected numbers; series with missing values are not read."
        ) from None
    if any(not math.isfinite(value) for column in columns for value in column):
        raise UserError(f"{place}: found NaN or infinity, expected numbers.")
    lengths = [len(column) for column in columns]
    if min(lengths) != max(lengths):
        raise UserError(
            f"{place}: found dimensions of {min(lengths)} and of {max(lengths)} steps, expected "
            "all of one case equally long."
        )
    frames = [list(step) for step in zip(*columns, strict=True)]
    return {"frames": frames, "label": label, "place": place}

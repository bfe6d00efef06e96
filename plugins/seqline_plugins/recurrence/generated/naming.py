"""What values are called in generated source: as in the cell's own code, where that is possible."""

from __future__ import annotations

import re
from collections.abc import Collection

PLACE = re.compile(r"((?:ROW|GATE|AT|KEPT)\((?:[^()]|\([^()]*\))*\)|s->\w+(?:\[\w+\])+) \+ j")
"""Where a vector stands, as the lines of a pass name it."""


def free_name(wish: str, taken: set[str], reserved: Collection[str]) -> str:
    """Return a name like the wish that is neither taken nor reserved, and take it."""
    name = re.sub(r"\W+", "_", wish)
    if not re.fullmatch("(?!sum_)[a-z][A-Za-z0-9_]*", name):
        name = f"v_{name}" if name.isascii() else "v"
    if name in reserved or name in taken:
        number = 1
        while f"{name}{number}" in taken:
            number += 1
        name = f"{name}{number}"
    taken.add(name)
    return name


def name_of_place(place: str) -> str:
    """Return "at_tape_3" for AT(slots, 3), "at_before_0" for ROW(s->before[0])."""
    words = re.findall(r"[A-Za-z_]\w*|\d+", place.replace("slots", "tape"))
    if words[0] == "GATE":
        del words[-2]  # of how many gates it is
    if "KEPT" in words:
        words[words.index("KEPT")] = "scratch"
    return "_".join(
        ["at", *(word for word in words if word not in ("ROW", "GATE", "AT", "s", "r"))]
    )

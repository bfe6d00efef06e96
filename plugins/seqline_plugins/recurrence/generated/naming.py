"""What values are called in generated source: as in the cell's own code, where that is possible."""

from __future__ import annotations

import re
from collections.abc import Collection


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

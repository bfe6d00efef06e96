"""What a distribution needs, held against what is installed: from metadata alone."""

from __future__ import annotations

import os
import re
import sys
from functools import cache
from importlib.metadata import Distribution
from pathlib import Path

OURS = "seqline"
_FOLDER = re.compile(r"(?P<name>.+?)-(?P<version>[^-]+)\.dist-info$")


def unmet(distribution: Distribution | None) -> str | None:
    """Say which requirement of a distribution is not met, or None where all are.

    Extras are left out: nobody asked for them.
    """
    try:
        asked = list((distribution.requires if distribution else None) or ())
    except (KeyError, TypeError, ValueError, OSError):
        return None
    return next(filter(None, map(_unmet_one, asked)), None)


def _unmet_one(text: str) -> str | None:
    from packaging.requirements import InvalidRequirement, Requirement
    from packaging.utils import canonicalize_name

    try:
        wanted = Requirement(text)
        if wanted.marker is not None and not wanted.marker.evaluate({"extra": ""}):
            return None
        found = _installed(tuple(sys.path)).get(canonicalize_name(wanted.name))
        if found is None:
            return f"{wanted.name} is missing, it needs {text.split(';')[0].strip()}"
        if wanted.specifier.contains(found, prereleases=True):
            return None
    except (InvalidRequirement, ValueError):
        return None  # what pip took is not ours to refuse
    what = "wrong version: " if canonicalize_name(wanted.name) == OURS else ""
    return f"{what}it needs {wanted.name}{wanted.specifier}, installed is {found}"


@cache
def _installed(path: tuple[str, ...]) -> dict[str, str]:
    """Return name → version of all that is installed, from the names of the folders alone."""
    from packaging.utils import canonicalize_name

    found: dict[str, str] = {}
    for place in path:
        try:
            names = os.listdir(Path(place or "."))  # noqa: PTH208  (of hundreds of folders)
        except OSError:
            continue
        for name in names:
            if match := _FOLDER.match(name):
                found.setdefault(canonicalize_name(match["name"]), match["version"])
    return found

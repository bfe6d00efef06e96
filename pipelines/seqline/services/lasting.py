"""Prefect's server that lasts: the user's own, or that of `seqline ui` or `seqline serve`."""

from __future__ import annotations

import json
import os

from seqline.home import Home
from seqline.services.address import answers

NOTES = ("ui.json", "serve.json")
"""Files of the home in which those who serve say where."""


def lasting_prefect(home: Home) -> str | None:
    """Return the address, without /api, of a server that is up for this home; None if none is."""
    for name in NOTES:
        try:
            address = str(json.loads((home.path / name).read_text(encoding="utf-8"))["prefect"])
        except (OSError, ValueError, TypeError, KeyError):
            continue
        if answers(address + "/api/health"):
            return address
    return None


def prefect_url(home: Home) -> str | None:
    """Return the address of the API: `PREFECT_API_URL`, else that of a server that lasts."""
    named = os.environ.get("PREFECT_API_URL")
    if named:
        return named
    up = lasting_prefect(home)
    return f"{up}/api" if up is not None else None

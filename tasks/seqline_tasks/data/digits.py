"""Scikit-learn's handwritten digits: 1,797 pictures of 8 × 8 shades, 0 to 16, on every machine."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from seqline_plugins.errors import UserError

SIDE, BRIGHTEST = 8, 16


def digits() -> tuple[Any, list[str]]:
    """Return shades (1797, 8, 8) of 0 to 16, and the digit that each shows.

    Raises `UserError` where scikit-learn is not installed.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise UserError(
            "data=builtin reads the digits from the package scikit-learn, which is not "
            "installed: pip install 'seqline[samples]', or use data=files."
        ) from error
    found = load_digits()
    return found.images.astype(int), [str(label) for label in found.target]


def version_of_digits() -> dict[str, str]:
    """Return scikit-learn's version; raises `UserError` where it is not installed."""
    digits()
    return {"scikit-learn": version("scikit-learn")}

"""Cutting a text into words."""

from __future__ import annotations

import re

TOKENS = ("words", "spaces")
_WORD = re.compile(r"\w+(?:['’]\w+)*|[^\w\s]")


def cut(text: str, tokens: str) -> list[str]:
    """Return a text's words and signs, or what its spaces part (`spaces`)."""
    return text.split() if tokens == "spaces" else _WORD.findall(text)

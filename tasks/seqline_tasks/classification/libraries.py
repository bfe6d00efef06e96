"""Docstrings and the library that each comes from: labelled texts on every machine."""

from __future__ import annotations

from importlib.util import find_spec

from seqline_tasks.data.docstrings import PYTHON, docstrings, versions_of

LIBRARIES = ("numpy", "scipy", "pandas", "sklearn", "matplotlib", "networkx")
"""Those that are there are used, beside the standard library; most of them seqline needs itself."""
MOST = 1200
"""Docstrings of one library: the classes are to be of like size."""
FEWEST, LETTERS = 100, 20
"""Fewest docstrings of a library, fewest letters of a first paragraph."""


def labelled_docstrings() -> list[tuple[str, str]]:
    """Return (library, first paragraph of a docstring), each paragraph once."""
    found: dict[str, str] = {}
    for library in _there():
        paragraphs = (_paragraph(one.text) for one in docstrings((library,)))
        own = [text for text in dict.fromkeys(paragraphs) if len(text) >= LETTERS]
        own = [text for text in own if text not in found]
        if len(own) >= FEWEST:
            count = min(MOST, len(own))
            found |= {own[n * len(own) // count]: library for n in range(count)}
    return [(library, text) for text, library in found.items()]


def versions_of_libraries() -> dict[str, str]:
    """Return the libraries that are there, and their versions."""
    return versions_of(_there())


def _there() -> list[str]:
    return [PYTHON, *(name for name in LIBRARIES if find_spec(name) is not None)]


def _paragraph(text: str) -> str:
    return " ".join(text.split("\n\n")[0].split())

"""Docstrings of the standard library and NumPy as running text."""

from __future__ import annotations

from hashlib import sha256

from seqline_tasks.data.docstrings import PYTHON, docstrings, versions_of
from seqline_tasks.language_model.corpus import StringText, Text
from seqline_tasks.language_model.source import CorpusSource

LIBRARIES = (PYTHON, "numpy")


class DocstringSource(CorpusSource):
    """Docstrings, in an order that mixes the libraries, so that no split has one alone."""

    hub = ("roneneldan/TinyStories", None, "text")

    def builtin(self) -> list[Text]:
        """Return all docstrings, an empty line between them."""
        texts = {one.text for one in docstrings(LIBRARIES)}
        mixed = sorted(texts, key=lambda text: sha256(text.encode()).digest())
        return [StringText("".join(f"{text}\n\n" for text in mixed))]

    def builtin_versions(self) -> dict[str, str]:
        """Return the libraries' versions."""
        return versions_of(LIBRARIES)

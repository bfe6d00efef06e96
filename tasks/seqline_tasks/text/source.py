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
        mixed = sorted(texts, key=_digest)
        return [StringText("".join(f"{text}\n\n" for text in mixed))]

    def builtin_classes(self) -> dict[str, Text]:
        """Return the docstrings of each library."""
        found: dict[str, Text] = {}
        for library in LIBRARIES:
            texts = sorted({one.text for one in docstrings((library,))}, key=_digest)
            found[library] = StringText("".join(f"{text}\n\n" for text in texts))
        return found

    def builtin_versions(self) -> dict[str, str]:
        """Return the libraries' versions."""
        return versions_of(LIBRARIES)


def _digest(text: str) -> bytes:
    return sha256(text.encode()).digest()

"""C that comes with the installation: NumPy's and Python's headers, Cython's utility code."""

from __future__ import annotations

import platform
import sysconfig
from collections.abc import Mapping, Sequence
from hashlib import sha256
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from seqline_plugins.errors import UserError
from seqline_plugins.task.source import Example
from seqline_tasks.c_code.pieces import shares_of_c
from seqline_tasks.language_model.corpus import StringText, Text
from seqline_tasks.language_model.source import CorpusSource

PACKAGES = {"numpy": "numpy", "Cython": "cython"}
"""The packages that ship C, and their distributions."""


class CodeSource(CorpusSource):
    """Whole files, in an order that mixes the packages, so that no split has one alone."""

    hub = ("bigcode/the-stack-smol", "data/c", "content")

    def builtin(self) -> list[Text]:
        """Return the files; the same file in two places counts once."""
        found: dict[bytes, str] = {}
        for folder in _folders().values():
            found = _files_in(folder) | found
        return [_mixed(found)]

    def builtin_classes(self) -> dict[str, Text]:
        """Return the files of each package."""
        return {name: _mixed(_files_in(folder)) for name, folder in _folders().items()}

    def baseline(self, splits: Mapping[str, Sequence[Example]]) -> dict[str, float]:
        """Return what counting gives, and how much of the test text itself passes for C."""
        shares = shares_of_c([splits["test"][0]["text"]])
        return super().baseline(splits) | {f"test_text_{name}": v for name, v in shares.items()}

    def builtin_versions(self) -> dict[str, str]:
        """Return the packages' versions, and Python's where its headers are there."""
        _folders()
        versions = {name: version(name) for name in PACKAGES.values()}
        if _python_headers().is_dir():
            versions["python"] = platform.python_version()
        return versions


def _files_in(folder: Path) -> dict[bytes, str]:
    """Return the texts of a folder's files by their digests."""
    texts = [
        path.read_text(encoding="utf-8", errors="replace").strip()
        for path in sorted(folder.rglob("*.[ch]"))
    ]
    return {sha256(text.encode()).digest(): f"{text}\n\n" for text in texts}


def _mixed(found: Mapping[bytes, str]) -> StringText:
    return StringText("".join(found[digest] for digest in sorted(found)))


def _python_headers() -> Path:
    return Path(sysconfig.get_paths()["include"])


def _folders() -> dict[str, Path]:
    """Return where the C of each distribution is."""
    folders = {"python": _python_headers()} if _python_headers().is_dir() else {}
    for package, distribution in PACKAGES.items():
        spec = find_spec(package)
        if spec is None or spec.origin is None:
            raise UserError(
                f"data=builtin reads C from the package {distribution}, which is not installed: "
                "pip install 'seqline[samples]', or use data=files 'data.file=src/**/*.c'"
            )
        folders[distribution] = Path(spec.origin).parent
    return folders

"""English and French strings of JupyterLab's interface, from its French language pack."""

from __future__ import annotations

import json
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

from seqline_plugins.errors import UserError

DISTRIBUTION = "jupyterlab-language-pack-fr-FR"
CONTEXT_END = "\x04"


def interface_strings() -> list[tuple[str, str]]:
    """Return (English, French) of every string once, in an order that mixes the applications.

    Raises `UserError` where the package is not installed.
    """
    found: dict[str, str] = {}
    for path in sorted((_package() / "locale" / "fr_FR" / "LC_MESSAGES").glob("*.json")):
        entries: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        for key, forms in entries.items():
            english = " ".join(key.rpartition(CONTEXT_END)[2].split())
            french = " ".join(str(forms[0]).split()) if key and forms else ""
            if english and french:
                found.setdefault(english, french)
    return sorted(found.items(), key=lambda pair: sha256(pair[0].encode()).digest())


def version_of_strings() -> dict[str, str]:
    """Return the package and its version; raises `UserError` where it is not installed."""
    _package()
    return {DISTRIBUTION: version(DISTRIBUTION)}


def _package() -> Path:
    try:
        import jupyterlab_language_pack_fr_FR as pack
    except ImportError as error:
        raise UserError(
            "data=builtin reads English and French from the package "
            f"{DISTRIBUTION}, which is not installed: pip install 'seqline[samples]', or use "
            "data=files 'data.train=[SOURCE,TARGET]' 'data.test=[SOURCE,TARGET]'"
        ) from error
    return Path(str(pack.__file__)).parent

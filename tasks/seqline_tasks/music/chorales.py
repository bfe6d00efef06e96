"""Bach's chorales, as the package music21 brings them: the 371 of Riemenschneider's collection."""

from __future__ import annotations

import importlib.util
from importlib.metadata import version
from pathlib import Path

from seqline_plugins.errors import UserError
from seqline_tasks.music.musicxml import read_musicxml
from seqline_tasks.music.notes import Score


def read_chorales() -> list[tuple[str, Score]]:
    """Return each chorale with its name, in the collection's order; one that it has twice, once.

    music21's own reader takes minutes for them; their files are plain MusicXML.
    """
    folder = _folder() / "corpus" / "bach"
    from music21.corpus.chorales import ChoraleListRKBWV

    listed = ChoraleListRKBWV().byRiemenschneider
    works = dict.fromkeys(str(listed[number]["bwv"]) for number in sorted(listed))
    return [(f"BWV {work}", read_musicxml(_file(folder, work))) for work in works]


def version_of_chorales() -> dict[str, str]:
    """Return the package and its version; raises `UserError` if it is not installed."""
    _folder()
    return {"music21": version("music21")}


def _folder() -> Path:
    found = importlib.util.find_spec("music21")
    if found is None or not found.submodule_search_locations:
        raise UserError(
            "data=builtin reads Bach's chorales from the package music21, which is not installed: "
            "pip install 'seqline[samples]', or use data=files data.train=… data.test=…"
        )
    return Path(found.submodule_search_locations[0])


def _file(folder: Path, work: str) -> Path:
    """Return the file of a work; some names have a letter more (bwv18.5-lz)."""
    for pattern in (f"bwv{work}.mxl", f"bwv{work}.xml", f"bwv{work}*.mxl"):
        for path in sorted(folder.glob(pattern)):
            return path
    raise UserError(f"{folder}: there is no score of BWV {work}; install music21 again.")

"""A folder's seal: the checksum of every file in it, so that what was altered is found.

It guards against torn writes, failing disks and careless hands, not against someone who writes a
new seal as well; that is why nothing here is ever unpickled either.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from hashlib import file_digest
from pathlib import Path, PurePosixPath
from typing import Any

SEAL = "sums.json"
FORMAT = 1


def seal(folder: Path, but: Collection[str] = ()) -> None:
    """Write the seal of all files below `folder`, those named in `but` left out."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    names = {path.relative_to(folder).as_posix(): path for path in files}
    sums = {name: _sum(path) for name, path in names.items() if name not in {SEAL, *but}}
    text = json.dumps({"format": FORMAT, "sha256": sums}, indent=1, ensure_ascii=False)
    (folder / SEAL).write_text(text + "\n", encoding="utf-8")


def damage(folder: Path) -> str | None:
    """Say what is wrong with a sealed folder, None if every sealed file is as it was.

    Files that came later are let be.
    """
    try:
        sums = json.loads((folder / SEAL).read_text(encoding="utf-8"))
    except OSError as error:
        return f"{SEAL} cannot be read ({error.strerror})"
    except ValueError:
        return f"{SEAL} was altered"
    if not _well_formed(sums):
        return f"{SEAL} was altered"
    for name, expected in sums["sha256"].items():
        parts = PurePosixPath(name)
        if parts.is_absolute() or ".." in parts.parts:
            return f"{SEAL} names {name}, which is outside"
        path = folder / name
        if not path.resolve().is_relative_to(folder.resolve()):
            return f"{name} leads outside"
        try:
            found = _sum(path)
        except OSError:
            return f"{name} is missing"
        if found != expected:
            return f"{name} was altered"
    return None


def _well_formed(sums: Any) -> bool:
    return (
        isinstance(sums, dict)
        and sums.get("format") == FORMAT
        and isinstance(sums.get("sha256"), dict)
        and all(isinstance(value, str) for value in sums["sha256"].values())
    )


def _sum(path: Path) -> str:
    with path.open("rb") as stream:
        return file_digest(stream, "sha256").hexdigest()

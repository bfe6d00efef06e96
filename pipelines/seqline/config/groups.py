"""The groups of the command line (`cell=gru`) and what each offers, from metadata alone."""

from __future__ import annotations

from importlib.resources import files

from seqline_plugins.discovery import GROUPS, installed
from seqline_plugins.errors import UserError, nearest


def group_names() -> list[str]:
    """Return every group: those of the plugins, then those with files in `seqline_conf`."""
    folders = files("seqline_conf").iterdir()
    kept = (folder.name for folder in folders if folder.is_dir())
    return [*reversed(GROUPS), *sorted(name for name in kept if not name.startswith("_"))]


def choices_of(group: str) -> list[str]:
    """Return what a group offers, nothing for a word that is no group."""
    if group in GROUPS:
        return list(installed(group))
    folder = files("seqline_conf") / group
    if "/" in group or not folder.is_dir():
        return []
    return sorted(file.name[:-5] for file in folder.iterdir() if file.name.endswith(".yaml"))


def check_choice(group: str, word: str, place: str) -> None:
    """Raise `UserError`, naming the nearest, when a group does not offer a word."""
    known = choices_of(group)
    if word not in known:
        raise UserError(
            f"{place}: unknown {group} '{word}'.{nearest(word, known)} "
            f"Known: {', '.join(known) or 'none'}."
        )

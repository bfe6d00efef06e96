"""What the shell offers for an override: groups, their choices and the sections' keys.

From metadata and schemas alone: no plugin is imported while someone presses Tab.
"""

from __future__ import annotations

import os

BREAKS = "=@:"
"""Where bash breaks words; it completes only what follows the last break."""


def complete_override(incomplete: str) -> list[str]:
    """Return the overrides that begin as the word at the cursor does."""
    words = os.environ.get("COMP_WORDS", "").split("\n")
    word = _joined(words[: int(os.environ["COMP_CWORD"]) + 1]) if len(words) > 1 else incomplete
    found = candidates(word)
    if len(words) == 1:
        return found
    kept = max(word.rfind(sign) for sign in BREAKS) + 1
    return [candidate[kept:] for candidate in found]


def complete_plugin_kind(incomplete: str) -> list[str]:
    """Return the kinds of plugins that begin so."""
    from seqline_plugins.discovery import GROUPS

    return [kind for kind in GROUPS if kind.startswith(incomplete)]


def complete_plugin(incomplete: str) -> list[str]:
    """Return the plugins, of all kinds, whose names begin so."""
    from seqline_plugins.discovery import GROUPS, installed

    names = {name for kind in GROUPS for name in installed(kind)}
    return sorted(name for name in names if name.startswith(incomplete))


def candidates(word: str) -> list[str]:
    """Return every override that begins with a word, its values where only one key is left."""
    from seqline.config.describe import describe
    from seqline.config.groups import choices_of, group_names

    key, equals, _ = word.partition("=")
    group = key.partition("@")[0]
    values = {one: choices_of(one) for one in group_names()}
    if "@" in key:
        values = {key: choices_of(group)} if group in values and equals else {}
    values |= {one.place: list(one.choices) or [one.default, ""] for one in describe()}
    keys = [one for one in values if (one == key if equals else one.startswith(key))]
    if len(keys) != 1:
        return [f"{one}=" for one in keys]
    written = (f"{keys[0]}={value}" for value in values[keys[0]])
    return [one for one in written if one.startswith(word)]


def _joined(words: list[str]) -> str:
    """Join the pieces into which bash broke the word at the cursor."""
    start = len(words) - 1
    while start > 0 and (words[start] in BREAKS or words[start - 1] in BREAKS):
        start -= 1
    return "".join(words[start:])

"""What a person is told when something is wrong: one message, no traceback."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class SeqlineError(Exception):
    """The machine or a service failed; the command ends with status 1."""

    status = 1


class UserError(SeqlineError):
    """The user's input is wrong; the command ends with status 2.

    The message names the place (a key, a file and line), what was found, what was expected and,
    where there is one, the nearest right thing.
    """

    status = 2


class DeclarationError(UserError, ValueError):
    """What a plugin declares contradicts itself, or its equations do not keep to it."""


class ServiceError(SeqlineError):
    """A tracking server, a Prefect server or the network does not answer."""


class PluginError(UserError):
    """A plugin that was selected cannot be used; carries whose it is and the cause."""

    def __init__(
        self,
        reason: str,
        *,
        group: str,
        name: str,
        target: str = "",
        distribution: str = "",
    ) -> None:
        origin = f" ({target}, from {distribution})" if target else ""
        super().__init__(f"plugin '{name}' of {group}{origin}: {reason}")
        self.group, self.name, self.target, self.distribution = group, name, target, distribution
        self.reason = reason


def nearest(word: str, known: Iterable[str]) -> str:
    """Return " Did you mean 'x'?" for the closest known word, or nothing when none is close."""
    found = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f" Did you mean '{found[0]}'?" if found else ""


def unknown(what: str, word: str, known: Iterable[str]) -> str:
    """Say that `word` is no known `what`, what there is, and the nearest."""
    names = sorted(known)
    return f"unknown {what} '{word}'.{nearest(word, names)} Known: {', '.join(names) or 'none'}."

"""Weights at rest: while none of them changes, each is packed for its products once."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from contextvars import ContextVar, Token
from typing import Any

Made = dict[Hashable, tuple[Any, Any]]
_made: ContextVar[Made | None] = ContextVar("seqline_made_at_rest", default=None)


class WeightsAtRest:
    """A promise that no weight changes within: what is made of them alone is made once.

    It may be entered again and again, and keeps what was made; within another it does nothing.
    """

    def __init__(self) -> None:
        self._own: Made = {}
        self._token: Token[Made | None] | None = None

    def __enter__(self) -> WeightsAtRest:
        if _made.get() is None:
            self._token = _made.set(self._own)
        return self

    def __exit__(self, *error: object) -> None:
        if self._token is not None:
            _made.reset(self._token)
            self._token = None


def at_rest() -> bool:
    """Say whether weights are at rest."""
    return _made.get() is not None


def made_once(key: Hashable, owner: Any, make: Callable[[], Any]) -> Any:
    """Return what `make` makes of `owner`, made before where weights are at rest."""
    made = _made.get()
    if made is None:
        return make()
    if key not in made:
        made[key] = (owner, make())  # the owner is held: its address stays its own
    return made[key][1]

"""Reading overrides: Hydra's grammar, with messages for a person instead of a parser's."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, OverrideType
from hydra.errors import HydraException

from seqline.config.groups import choices_of, group_names
from seqline_plugins.errors import UserError

EXAMPLE = "architecture.hidden_size=512"


def parse(texts: Sequence[str]) -> list[Override]:
    """Return the overrides that `run` takes: each `key=value`, one value a key.

    Raises `UserError` for what is no override, for several values of one key (a sweep) and for
    Hydra's prefixes `+` and `~`, which nothing here needs.
    """
    parser = OverridesParser.create()
    return [_parse_one(parser, text) for text in texts]


def parse_sweep(texts: Sequence[str]) -> list[Override]:
    """Return the overrides that `sweep` takes: as `parse`, but a key may have several values."""
    parser = OverridesParser.create()
    return [_parse_one(parser, text, several=True) for text in texts]


def _parse_one(parser: OverridesParser, text: str, *, several: bool = False) -> Override:
    key, equals, _ = text.partition("=")
    if not (key and equals):
        raise UserError(f"{text}: expected key=value, as in {_meant(key)}.")
    try:
        override = parser.parse_overrides([text])[0]
    except HydraException as error:
        raise UserError(_ungrammatical(parser, text)) from error
    if override.type is not OverrideType.CHANGE:
        bare = text.lstrip("+~")
        raise UserError(f"{text}: expected key=value without '{text[: -len(bare)]}': {bare}")
    if override.is_sweep_override() and not several:
        raise UserError(_several(override, key, text))
    return override


def _meant(word: str) -> str:
    """Return what a word without a value may have been meant as."""
    for group in group_names():
        if word in choices_of(group):
            return f"{group}={word}"
    return f"{word}=VALUE" if "." in word or word in group_names() else EXAMPLE


def _several(override: Override, key: str, text: str) -> str:
    given = text.split("=", 1)[1]
    simple = "(" not in given and "'" not in given
    first = given.split(",")[0] if simple else "…"
    said = f"{key}: found several values, '{given}', expected one, as in {key}={first}."
    if override.key_or_group in group_names() or not simple:
        return f"{said} One run trains one model; `seqline sweep` runs one for each."
    quoted = shlex.quote(f'{key}="{given}"')
    return f"{said} A list is written {key}=[{given}], a text with a comma {quoted}."


def _ungrammatical(parser: OverridesParser, text: str) -> str:
    """Say that the text cannot be read, and which spelling of it can."""
    key, value = text.split("=", 1)
    for spelling in _spellings(key, value):
        try:
            parser.parse_overrides([spelling])
        except HydraException:
            continue
        return (
            f"{key}: found {value}, which needs quotes (as ~ = ( # and letters with accents do). "
            f"Write {shlex.quote(spelling)}"
        )
    return f"{text}: cannot be read as key=value, as in {EXAMPLE}."


def _spellings(key: str, value: str) -> Iterator[str]:
    """Give ways to write a value that the grammar may take, the plainest first."""
    bare = value.strip("\"'")
    if bare.startswith("~"):
        bare = str(Path(bare).expanduser())
        yield f"{key}={bare}"
    for quote in ('"', "'"):
        escaped = bare.replace("\\" + quote, quote).replace(quote, "\\" + quote)
        yield f"{key}={quote}{escaped}{quote}"

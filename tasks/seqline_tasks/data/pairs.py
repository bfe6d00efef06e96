"""Pairs of texts: two files of equal length, or one with a tab between the two."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from seqline_plugins.errors import UserError
from seqline_tasks.data.files import digest_of, matching_files, read_lines

Pair = tuple[str, str]


def read_pairs(given: Any, key: str) -> list[Pair]:
    """Return the pairs of `[SOURCE,TARGET]` or of a file with tabs; each may be a glob.

    Spaces at the ends of a line are no text; a line may be empty. Raises `UserError` for files of
    different numbers of lines, one file on both sides, a side without text, a line without a tab.
    """
    pairs = _of_two(given, key) if isinstance(given, list) else _of_one(given, key)
    for side, name in enumerate(("source", "target")):
        if not any(pair[side] for pair in pairs):
            raise UserError(f"{key}={_spelled(given)}: every line of the {name} is empty.")
    return pairs


def digests_of_pairs(given: Any, key: str) -> list[str]:
    """Return the digests of the files that `read_pairs` reads, in order."""
    patterns = _both(given, key) if isinstance(given, list) else [given]
    return [digest_of(path) for one in patterns for path in matching_files(one, key)]


def _of_two(given: list[Any], key: str) -> list[Pair]:
    source, target = (matching_files(one, key) for one in _both(given, key))
    shared = {path.resolve() for path in source} & {path.resolve() for path in target}
    if shared:
        raise UserError(f"{key}: {shared.pop()} is both the source and the target.")
    sides = [_lines(source), _lines(target)]
    if len(sides[0]) != len(sides[1]):
        raise UserError(
            f"{key}: {_names(source)} has {len(sides[0]):,} lines and {_names(target)} has "
            f"{len(sides[1]):,}; line n of the one must be the translation of line n of the other."
        )
    return list(zip(*sides, strict=True))


def _both(given: list[Any], key: str) -> list[Any]:
    if len(given) != 2:
        raise UserError(
            f"{key}: found {len(given)} file{'' if len(given) == 1 else 's'}, expected two, "
            f"{key}=[SOURCE,TARGET], or one with a tab in each line, {key}=FILE."
        )
    return given


def _of_one(given: str, key: str) -> list[Pair]:
    pairs = []
    for path in matching_files(given, key):
        for number, line in read_lines(path):
            parts = line.split("\t")
            if len(parts) < 2:
                raise UserError(
                    f"{path}, line {number}: found no tab, expected SOURCE, a tab, TARGET. Two "
                    f"files are given as {key}=[SOURCE,TARGET]."
                )
            pairs.append((parts[0].strip(), parts[1].strip()))
    return pairs


def _lines(paths: list[Path]) -> list[str]:
    return [line.strip() for path in paths for _, line in read_lines(path)]


def _names(paths: list[Path]) -> str:
    return ", ".join(str(path) for path in paths)


def _spelled(given: Any) -> str:
    return f"[{','.join(map(str, given))}]" if isinstance(given, list) else str(given)

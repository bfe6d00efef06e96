"""Pairs of texts: two files of equal length, or one with a tab between the two."""

from __future__ import annotations

from collections.abc import Iterator
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
    check_pairs(given, key)
    return list(each_pair(given, key))


def check_pairs(given: Any, key: str) -> int:
    """Return how many pairs with text on both sides there are; raises as `read_pairs` does."""
    texts, whole = [False, False], 0
    if isinstance(given, list):
        source, target = _sides(given, key)
        counts = [sum(1 for _ in _lines(paths)) for paths in (source, target)]
        if counts[0] != counts[1]:
            raise UserError(
                f"{key}: {_names(source)} has {counts[0]:,} lines and {_names(target)} has "
                f"{counts[1]:,}; line n of the one must be the translation of line n of the other."
            )
    for pair in each_pair(given, key):
        texts = [seen or bool(side) for seen, side in zip(texts, pair, strict=True)]
        whole += bool(pair[0] and pair[1])
    for has_text, name in zip(texts, ("source", "target"), strict=True):
        if not has_text:
            raise UserError(f"{key}={_spelled(given)}: every line of the {name} is empty.")
    return whole


def each_pair(given: Any, key: str) -> Iterator[Pair]:
    """Yield the pairs that `check_pairs` has found in order, one after the other."""
    if isinstance(given, list):
        source, target = _sides(given, key)
        yield from zip(_lines(source), _lines(target), strict=False)
    else:
        yield from _of_one(given, key)


def digests_of_pairs(given: Any, key: str) -> list[str]:
    """Return the digests of the files that `read_pairs` reads, in order."""
    patterns = _both(given, key) if isinstance(given, list) else [given]
    return [digest_of(path) for one in patterns for path in matching_files(one, key)]


def _sides(given: list[Any], key: str) -> tuple[list[Path], list[Path]]:
    source, target = (matching_files(one, key) for one in _both(given, key))
    shared = {path.resolve() for path in source} & {path.resolve() for path in target}
    if shared:
        raise UserError(f"{key}: {shared.pop()} is both the source and the target.")
    return source, target


def _both(given: list[Any], key: str) -> list[Any]:
    if len(given) != 2:
        raise UserError(
            f"{key}: found {len(given)} file{'' if len(given) == 1 else 's'}, expected two, "
            f"{key}=[SOURCE,TARGET], or one with a tab in each line, {key}=FILE."
        )
    return given


def _of_one(given: str, key: str) -> Iterator[Pair]:
    for path in matching_files(given, key):
        for number, line in read_lines(path):
            parts = line.split("\t")
            if len(parts) < 2:
                raise UserError(
                    f"{path}, line {number}: found no tab, expected SOURCE, a tab, TARGET. Two "
                    f"files are given as {key}=[SOURCE,TARGET]."
                )
            yield parts[0].strip(), parts[1].strip()


def _lines(paths: list[Path]) -> Iterator[str]:
    return (line.strip() for path in paths for _, line in read_lines(path))


def _names(paths: list[Path]) -> str:
    return ", ".join(str(path) for path in paths)


def _spelled(given: Any) -> str:
    return f"[{','.join(map(str, given))}]" if isinstance(given, list) else str(given)

"""The user's files: text, gz allowed, globs; what cannot be read is named with its place."""

from __future__ import annotations

import glob
import gzip
import hashlib
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from seqline_plugins.errors import UserError, nearest


def matching_files(pattern: str, key: str) -> list[Path]:
    """Return the files that a path or a glob names, sorted.

    Raises `UserError` naming `key` when there is none, with the nearest file beside it.
    """
    found = [Path(name) for name in sorted(glob.glob(str(pattern), recursive=True))]
    files = [path for path in found if not path.is_dir()]
    if files:
        return files
    path = Path(pattern)
    if found:
        raise UserError(f"{key}={pattern}: this is a folder, expected a file or a glob.")
    there = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
    hint = nearest(path.name, there)
    raise UserError(f"{key}={pattern}: there is no such file.{hint} (from {Path.cwd()})")


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield (line number from 1, line without its end) of a UTF-8 text, gz or plain.

    Raises `UserError` naming the file, and the line where there is one, for a file that is
    empty, unreadable, cut short or not UTF-8.
    """
    number = 0
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
            for number, line in decode_lines(stream, str(path)):
                yield number, line
    except EOFError as error:
        raise UserError(
            f"{path}: the gz file is cut short after line {number}; fetch it again."
        ) from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise UserError(f"{path}: not a valid gz file ({error}); fetch it again.") from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror or error}).") from error
    if number == 0:
        raise UserError(f"{path}: the file is empty.")


def decode_lines(stream: Iterable[bytes], place: str) -> Iterator[tuple[int, str]]:
    """Yield (line number from 1, line without its end) of UTF-8 bytes.

    Raises `UserError` naming the place and the line of a byte that is not UTF-8.
    """
    for number, raw in enumerate(stream, start=1):
        content = raw.removeprefix(b"\xef\xbb\xbf") if number == 1 else raw
        try:
            yield number, content.decode("utf-8").rstrip("\r\n")
        except UnicodeDecodeError as error:
            bad = error.object[error.start]
            raise UserError(
                f"{place}, line {number}: found byte 0x{bad:02x} at column {error.start + 1}, "
                "expected UTF-8 text. Convert it (iconv -t UTF-8)."
            ) from error


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file's bytes and of how they are read, gz or plain.

    Raises `UserError` when it cannot be read.
    """
    digest = hashlib.sha256(b"gz " if path.suffix == ".gz" else b"")
    try:
        with path.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror or error}).") from error
    return digest.hexdigest()

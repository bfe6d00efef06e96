"""Files as users have them: gz, BOM, CRLF, globs; a wrong one is named with its place."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest

from seqline_plugins import UserError
from seqline_tasks.data.files import decode_lines, digest_of, matching_files, read_lines

TEXT = "first\nzwölf 𝄞\n\nlast"
NUMBERED = [(1, "first"), (2, "zwölf 𝄞"), (3, ""), (4, "last")]


def lines_of(folder: Path, content: bytes, name: str = "data.txt") -> list[tuple[int, str]]:
    path = folder / name
    path.write_bytes(content)
    return list(read_lines(path))


@pytest.mark.parametrize(
    "content",
    [
        TEXT.encode(),
        (TEXT + "\n").encode(),
        TEXT.replace("\n", "\r\n").encode(),
        b"\xef\xbb\xbf" + TEXT.encode(),
    ],
    ids=["no_last_newline", "last_newline", "crlf", "bom"],
)
def test_lines_come_without_their_ends_and_numbered(tmp_path: Path, content: bytes) -> None:
    assert lines_of(tmp_path, content) == NUMBERED
    assert lines_of(tmp_path, gzip.compress(content), "data.txt.gz") == NUMBERED


def test_a_truncated_gz_is_named_with_the_last_whole_line(tmp_path: Path) -> None:
    whole = gzip.compress(os.urandom(3000).hex().encode() + b"\n" + b"second\n" * 3)
    with pytest.raises(UserError, match=r"data\.gz: the gz file is cut short after line \d"):
        lines_of(tmp_path, whole[:-6], "data.gz")
    with pytest.raises(UserError, match=r"data\.gz: the gz file is cut short after line 0"):
        lines_of(tmp_path, whole[:2000], "data.gz")


def test_a_gz_that_is_none_is_said_to_be_none(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"data\.gz: not a valid gz file"):
        lines_of(tmp_path, b"plain text", "data.gz")


def test_another_encoding_is_named_with_line_byte_and_column(tmp_path: Path) -> None:
    content = "good\nzwölf".encode("latin-1")
    with pytest.raises(UserError, match=r"data\.txt, line 2: found byte 0xf6 at column 3.*UTF-8"):
        lines_of(tmp_path, content)


def test_bytes_from_elsewhere_are_named_by_their_place() -> None:
    given = [b"\xef\xbb\xbfgood\r\n", "zwölf".encode("latin-1")]
    lines = decode_lines(given, "standard input")
    assert next(lines) == (1, "good")
    with pytest.raises(UserError, match="standard input, line 2: found byte 0xf6 at column 3"):
        next(lines)


def test_utf_16_is_told_to_be_converted(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"line 1: found byte 0xff .*iconv"):
        lines_of(tmp_path, "text".encode("utf-16"))


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"data\.txt: the file is empty"):
        lines_of(tmp_path, b"")
    with pytest.raises(UserError, match=r"data\.gz: the file is empty"):
        lines_of(tmp_path, gzip.compress(b""), "data.gz")


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cannot be read \(Is a directory\)"):
        list(read_lines(tmp_path))
    with pytest.raises(UserError, match=r"cannot be read \(No such file"):
        digest_of(tmp_path / "gone")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read anything")
def test_a_file_without_permission_is_named(tmp_path: Path) -> None:
    path = tmp_path / "secret.txt"
    path.write_text("text")
    path.chmod(0)
    with pytest.raises(UserError, match=r"secret\.txt: cannot be read \(Permission denied\)"):
        list(read_lines(path))


def test_a_glob_gives_its_files_in_order(tmp_path: Path) -> None:
    for name in ("b.conllu", "a.conllu", "c.txt"):
        (tmp_path / name).write_text("x")
    (tmp_path / "d.conllu").mkdir()
    found = matching_files(str(tmp_path / "*.conllu"), "data.train")
    assert [path.name for path in found] == ["a.conllu", "b.conllu"]


def test_a_missing_file_is_named_with_its_key_and_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "train.conllu").write_text("x")
    wrong = tmp_path / "tran.conllu"
    with pytest.raises(UserError) as caught:
        matching_files(str(wrong), "data.train")
    message = str(caught.value)
    assert message.startswith(f"data.train={wrong}: there is no such file.")
    assert "Did you mean 'train.conllu'?" in message


def test_a_folder_in_place_of_a_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="this is a folder, expected a file or a glob"):
        matching_files(str(tmp_path), "data.train")


def test_a_digest_follows_the_bytes(tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.write_bytes(b"one")
    first = digest_of(path)
    path.touch()
    assert digest_of(path) == first
    path.write_bytes(b"two")
    assert digest_of(path) != first


def test_the_same_bytes_are_other_data_where_they_are_read_as_gz(tmp_path: Path) -> None:
    plain, moved, named_gz = (tmp_path / name for name in ("a.conllu", "b.conllu", "a.conllu.gz"))
    for path in (plain, moved, named_gz):
        path.write_text("1\ta\n")
    assert digest_of(plain) == digest_of(moved) != digest_of(named_gz)

"""Where texts with their summaries come from: docstrings, JSON lines, the hub."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

from seqline_plugins.errors import UserError, nearest
from seqline_plugins.task.source import DataSource, Example
from seqline_tasks.data.corpus import KEYS, CorpusSource
from seqline_tasks.data.docstrings import docstrings, versions_of
from seqline_tasks.data.files import digest_of, matching_files, read_lines
from seqline_tasks.data.hub import load_hub
from seqline_tasks.data.split import deal, hold_out
from seqline_tasks.summarization.scoring import first_sentence, score_summaries

LIBRARIES = ("python", "numpy")
HUB_COLUMNS = "document-summary"
FILE_COLUMNS = "source-target"
FEWEST_WORDS = (10, 3)
"""Words that a docstring's body and its first line have at least."""


class SummarySource(CorpusSource):
    """Texts, {"source", "target", "references", "first"}; without text or summary left out.

    `target` is the first of the `references`, `first` the text's first sentence.
    """

    default_hub = ("EdinburghNLP/xsum", None)

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self._left_out: dict[str, int] = {}

    def versions(self) -> dict[str, str]:
        """Return the packages that hold the built-in data."""
        return versions_of(LIBRARIES)

    def digests(self, data: DataSource, key: str) -> list[Any]:
        """Return the digests of a key's files."""
        return [
            digest_of(path)
            for one in _listed(getattr(data, key))
            for path in matching_files(one, f"data.{key}")
        ]

    def baseline(self, splits: Mapping[str, Sequence[Example]]) -> dict[str, float]:
        """Return the ROUGE of the first sentence of each text as its summary."""
        test = splits["test"]
        firsts = [first_sentence(example) for example in test]
        return score_summaries(firsts, [example["references"] for example in test])

    def warnings(self, splits: Mapping[str, Sequence[Example]]) -> list[str]:
        """Tell of texts that were left out, and of test texts that training has too."""
        found = [
            f"{count:,} texts of {name} are empty or have no summary, and are left out."
            for name, count in self._left_out.items()
        ]
        trained = {example["source"] for example in splits["train"]}
        shared = sum(example["source"] in trained for example in splits["test"])
        total = len(splits["test"])
        if shared > 0.01 * total:
            found.append(
                f"{shared:,} of {total:,} test texts are in the training data too: the scores "
                "flatter."
            )
        return found

    def read_builtin(self, data: DataSource) -> dict[str, list[Example]]:
        """Return the splits of the built-in data."""
        found: dict[str, str] = {}
        for one in docstrings(LIBRARIES):
            head, _, body = one.text.partition("\n")
            body_words, head_words = body.split(), head.split()
            long = len(body_words) >= FEWEST_WORDS[0] and len(head_words) >= FEWEST_WORDS[1]
            if long and body.startswith("\n"):
                found.setdefault(" ".join(body_words), " ".join(head_words))
        order = sorted(found, key=lambda body: sha256(body.encode()).digest())
        examples = self._kept("the docstrings", [(body, [found[body]], "") for body in order])
        return deal(examples, data.split, data.split_by, data.seed)

    def read_files(self, data: DataSource) -> Mapping[str, Sequence[Example]]:
        """Return the splits of files."""
        source, target = _columns(data.column or FILE_COLUMNS)
        given = {key: getattr(data, key) for key in KEYS if getattr(data, key)}
        read = {
            key: self._kept(f"data.{key}", _of_files(files, f"data.{key}", source, target))
            for key, files in given.items()
        }
        if "file" in read:
            return deal(read["file"], data.split, data.split_by, data.seed)
        for key in ("train", "test"):
            if key not in read:
                raise UserError(f"data.{key}: data=files needs it, a file of JSON lines.")
        return hold_out(read, "text")

    def read_hub(self, data: DataSource) -> Mapping[str, Sequence[Example]]:
        """Return the splits of a public dataset."""
        repo, subset = self.hub_name(data)
        source, target = _columns(data.column or HUB_COLUMNS)
        splits = {}
        for name, table in load_hub(repo, subset, data.revision).items():
            for one in (source, target):
                if one not in table.column_names:
                    raise UserError(
                        f"data.repo={repo}: has {', '.join(table.column_names)}, but no '{one}'; "
                        "two of them are chosen as data.column=TEXT-SUMMARY."
                    )
            rows = [_text(row[source], row[target]) for row in table]
            splits[name] = self._kept(name, [row for row in rows if row is not None])
        if "test" not in splits:
            return deal(splits["train"], data.split, data.split_by, data.seed)
        return hold_out(splits, "text")

    def _kept(self, name: str, texts: Sequence[tuple[str, list[str], str]]) -> list[Example]:
        kept = [(text, summaries, first) for text, summaries, first in texts if text and summaries]
        if len(kept) < len(texts):
            self._left_out[name] = len(texts) - len(kept)
        if not kept:
            raise UserError(f"{name}: every text is empty or has no summary.")
        return [
            {
                "source": text,
                "target": summaries[0],
                "references": summaries,
                "first": first or first_sentence({"source": text}),
            }
            for text, summaries, first in kept
        ]


def _columns(given: str) -> tuple[str, str]:
    source, _, target = given.partition("-")
    if not (source and target):
        raise UserError(f"data.column={given}: expected TEXT-SUMMARY, as in {FILE_COLUMNS}.")
    return source, target


def _of_files(files: Any, key: str, source: str, target: str) -> list[tuple[str, list[str], str]]:
    texts = []
    for pattern in _listed(files):
        for path in matching_files(pattern, key):
            for number, line in read_lines(path):
                if line.strip():
                    texts.append(_of_line(line, f"{path}, line {number}", source, target))
    return texts


def _of_line(line: str, place: str, source: str, target: str) -> tuple[str, list[str], str]:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise UserError(f"{place}: not a line of JSON ({error}).") from error
    if not isinstance(row, dict):
        raise UserError(f'{place}: expected an object, {{"{source}": …, "{target}": …}}.')
    for one in (source, target):
        if one not in row:
            raise UserError(
                f"{place}: found the keys {', '.join(row) or '(none)'}, but no '{one}'."
                f"{nearest(one, list(row))} Two of them are chosen as data.column=TEXT-SUMMARY."
            )
    found = _text(row[source], row[target])
    if found is None:
        raise UserError(f"{place}: '{source}' and '{target}' must be texts, or lists of texts.")
    return found


def _text(source: Any, target: Any) -> tuple[str, list[str], str] | None:
    """Return (text, summaries, first sentence), a text being given whole or as its sentences."""
    parts = [source] if isinstance(source, str) else source
    summaries = [target] if isinstance(target, str) else target
    for one in (parts, summaries):
        if not isinstance(one, list) or not all(isinstance(part, str) for part in one):
            return None
    clean = [" ".join(part.split()) for part in parts]
    kept = [part for part in (" ".join(one.split()) for one in summaries) if part]
    first = next((part for part in clean if part), "") if isinstance(source, list) else ""
    return " ".join(part for part in clean if part), kept, first


def _listed(files: Any) -> list[Any]:
    return files if isinstance(files, list) else [files]

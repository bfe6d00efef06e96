"""Where labelled texts come from: docstrings, files, the hub."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from seqline_plugins.errors import UserError
from seqline_plugins.task.source import DataSource, Example
from seqline_tasks.classification.libraries import labelled_docstrings, versions_of_libraries
from seqline_tasks.classification.words import cut
from seqline_tasks.data.corpus import KEYS, CorpusSource
from seqline_tasks.data.files import digest_of, matching_files, read_lines
from seqline_tasks.data.hub import class_names, load_hub
from seqline_tasks.data.labels import most_frequent_class, new_classes
from seqline_tasks.data.split import deal, hold_out

TEXTS = ("text", "sentence", "question", "content")
LABELS = ("label", "class", "category", "coarse_label", "sentiment")


class LabelledSource(CorpusSource):
    """Labelled texts, {"words": […], "label": name, "place": "FILE, line N"}."""

    default_hub = ("stanfordnlp/sst2", None)

    def versions(self) -> dict[str, str]:
        """Return the packages that hold the built-in data."""
        return versions_of_libraries()

    def digests(self, data: DataSource, key: str) -> list[Any]:
        """Return the digests of a key's files."""
        return [digest_of(path) for path in _paths(data, key)]

    def baseline(self, splits: Mapping[str, Sequence[Example]]) -> dict[str, float]:
        """Return the accuracy of the most frequent class."""
        return {"accuracy": most_frequent_class(splits["train"], splits["test"])}

    def warnings(self, splits: Mapping[str, Sequence[Example]]) -> list[str]:
        """Tell of test texts that training has too, and of classes that it never had."""
        found = []
        trained = {tuple(example["words"]) for example in splits["train"]}
        shared = sum(tuple(example["words"]) in trained for example in splits["test"])
        if shared > 0.02 * len(splits["test"]):
            share = f"{shared:,} of {len(splits['test']):,} test texts"
            found.append(f"{share} are in the training data too: the scores flatter.")
        return found + new_classes(splits)

    def read_builtin(self, data: DataSource) -> dict[str, list[Example]]:
        """Return the splits of the built-in data."""
        texts = labelled_docstrings()
        texts.sort(key=lambda pair: sha256(pair[1].encode()).digest())  # libraries mixed
        rows = [self._example(label, text, "") for label, text in texts]
        return deal(rows, data.split, data.split_by, data.seed)

    def read_files(self, data: DataSource) -> dict[str, list[Example]]:
        """Return the splits of files."""
        given = [key for key in KEYS if getattr(data, key)]
        read = {
            key: [row for path in _paths(data, key) for row in self._of_file(path, data.column)]
            for key in given
        }
        if "file" in read:
            return deal(read["file"], data.split, data.split_by, data.seed)
        return hold_out(read, "text")

    def _of_file(self, path: Path, column: str | None) -> list[Example]:
        table = path.name.removesuffix(".gz").endswith((".tsv", ".tab"))
        rows = _of_table(path, column) if table else _of_lines(path)
        return [self._example(*row) for row in rows]

    def read_hub(self, data: DataSource) -> dict[str, list[Example]]:
        """Return the splits of a public dataset."""
        repo, subset = self.hub_name(data)
        splits = {
            name: [self._example(*row) for row in _of_hub(table, data.column, repo)]
            for name, table in load_hub(repo, subset, data.revision).items()
        }
        if "test" not in splits or not splits["test"]:
            return deal(splits["train"], data.split, data.split_by, data.seed)
        return hold_out(splits, "text")

    def _example(self, label: str, text: str, place: str) -> Example:
        return {"words": cut(text, self.config.tokens), "label": label, "place": place}


def _of_lines(path: Path) -> list[tuple[str, str, str]]:
    """Read lines of "label text"."""
    rows = []
    for number, line in read_lines(path):
        if not line.strip():
            continue
        label, _, text = line.strip().partition(" ")
        if not text.strip():
            raise UserError(
                f"{path}, line {number}: found {line[:40]!r}, expected a label, a space and a "
                "text. A file with tabs is named .tsv."
            )
        rows.append((label, text, f"{path}, line {number}"))
    return rows


def _of_table(path: Path, column: str | None) -> list[tuple[str, str, str]]:
    """Read lines with tabs: by the names of a first line that has them, else label, text."""
    lines = list(read_lines(path))
    names = [name.strip().lower() for name in lines[0][1].split("\t")]
    text_at = next((names.index(name) for name in TEXTS if name in names), None)
    wanted = [column.lower()] if column else LABELS
    label_at = next((names.index(name) for name in wanted if name in names), None)
    if text_at is None and label_at is None and column is None:
        text_at, label_at, names = 1, 0, ["label", "text"]
    elif text_at is None or label_at is None:
        missing = f"a label ({', '.join(wanted)})" if label_at is None else ", ".join(TEXTS)
        raise UserError(
            f"{path}, line 1: found the columns {', '.join(names)}, expected {missing}; "
            "data.column=NAME chooses the label."
        )
    else:
        lines = lines[1:]
    rows = []
    for number, line in lines:
        fields = line.split("\t")
        if len(fields) < len(names) or not fields[label_at].strip():
            found = f"{len(fields)} of {len(names)} columns" if fields else "nothing"
            raise UserError(
                f"{path}, line {number}: found {found}, expected a label and a text: {line[:40]!r}"
            )
        rows.append((fields[label_at].strip(), fields[text_at], f"{path}, line {number}"))
    return rows


def _of_hub(table: Any, column: str | None, repo: str) -> list[tuple[str, str, str]]:
    there = table.column_names
    text = next((name for name in TEXTS if name in there), None)
    label = next((name for name in ([column] if column else LABELS) if name in there), None)
    if text is None or label is None:
        raise UserError(
            f"data.repo={repo}: has columns {', '.join(there)}, expected a text "
            f"({', '.join(TEXTS)}) and a label ({column or ', '.join(LABELS)})."
        )
    names = class_names(table, label)
    return [
        (str(names[row[label]] if names is not None else row[label]), str(row[text]), "")
        for row in table
        if row[label] != -1  # a hidden label of a competition
    ]


def _paths(data: DataSource, key: str) -> list[Path]:
    given = getattr(data, key)
    patterns = given if isinstance(given, list) else [given]
    return [path for pattern in patterns for path in matching_files(pattern, f"data.{key}")]

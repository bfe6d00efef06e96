"""Where running text comes from: what is built in, files, a column of a public dataset."""

from __future__ import annotations

from abc import abstractmethod
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from seqline_plugins.errors import UserError
from seqline_plugins.task.source import DataSource, Example, Source
from seqline_tasks.data.files import digest_of, matching_files
from seqline_tasks.data.hub import describe_hub, load_hub
from seqline_tasks.data.split import SPLITS, sizes_of
from seqline_tasks.language_model.config import CLASS
from seqline_tasks.language_model.corpus import FileText, Portion, RunningText, TableText, Text
from seqline_tasks.language_model.ngram import trivial_models

SHARES = (0.9, 0.05, 0.05)
"""Train, validation and test, where nobody says otherwise; always in order."""
MOST_SCORED = 2_000_000
"""Characters of validation and of test at most, where nobody says how the text is split: to score
a twentieth of ten gigabytes would take hours."""


class CorpusSource(Source):
    """Running text; `hub` is the dataset that is read where none is named, and its column."""

    hub: ClassVar[tuple[str, str | None, str]]

    @abstractmethod
    def builtin(self) -> list[Text]:
        """Return the texts that come with the installation."""

    @abstractmethod
    def builtin_classes(self) -> dict[str, Text]:
        """Return those texts by what each is of, for `task.entity=class`."""

    @abstractmethod
    def builtin_versions(self) -> dict[str, str]:
        """Return what holds them, and its version."""

    def read(self, data: DataSource) -> Mapping[str, Sequence[Example]]:
        """Return train, validation and test, each read only when it is gone through."""
        _refuse_disorder(data)
        if self.config.entity == CLASS:
            return self._of_classes(data)
        if data.source == "builtin":
            return _dealt(RunningText(self.builtin()), data)
        if data.source == "hub":
            return self._hub(data)
        if data.file:
            return _dealt(_texts_of(data, "file"), data)
        keys = [key for key in SPLITS if getattr(data, key)]
        found = {key: _texts_of(data, key) for key in keys}
        return _with_validation(found)

    def _of_classes(self, data: DataSource) -> Mapping[str, RunningText]:
        """Return the splits of texts that have a class each, every one cut in order by itself."""
        if data.source == "hub":
            raise UserError(
                "task.entity=class: the classes are files or folders, expected data=files, or "
                "data=builtin."
            )
        if data.source == "builtin":
            texts = {name: [text] for name, text in self.builtin_classes().items()}
            return _dealt_by_class(texts, data)
        if data.file:
            return _dealt_by_class(_texts_by_class(data, "file"), data)
        keys = [key for key in SPLITS if getattr(data, key)]
        found = {key: _texts_by_class(data, key) for key in keys}
        if "validation" not in found:
            held = {
                name: _with_validation({"train": RunningText(texts), "test": RunningText([])})
                for name, texts in found["train"].items()
            }
            for key in ("train", "validation"):
                found[key] = {name: [Portion(parts[key])] for name, parts in held.items()}
        return {key: _joined(found[key]) for key in SPLITS}

    def fingerprint(self, data: DataSource) -> dict[str, Any]:
        """Return file digests, or the packages that hold the data and their versions."""
        _refuse_disorder(data)
        rule: dict[str, Any] = {"source": data.source, "split": data.split}
        rule["entity"] = self.config.entity
        if data.source == "builtin":
            return rule | self.builtin_versions()
        if data.source == "hub":
            return rule | describe_hub(*self._named(data)[:2], data.revision)
        keys = [key for key in (*SPLITS, "file") if getattr(data, key)]
        return rule | {key: [digest_of(path) for path in _files_of(data, key)] for key in keys}

    def baseline(self, splits: Mapping[str, Sequence[Example]]) -> dict[str, float]:
        """Return what counting gives: single characters, and five in a row (Kneser–Ney)."""
        return trivial_models(splits["train"], splits["test"])

    def _named(self, data: DataSource) -> tuple[str, str | None, str]:
        repo, subset, column = self.hub
        if data.repo:
            repo, subset = data.repo, data.subset
        return repo, subset, data.column or column

    def _hub(self, data: DataSource) -> Mapping[str, RunningText]:
        repo, subset, column = self._named(data)
        tables = load_hub(repo, subset, data.revision)
        for table in tables.values():
            if column not in table.column_names:
                there = ", ".join(table.column_names)
                raise UserError(
                    f"data.repo={repo}: has columns {there}, but no '{column}'; set data.column."
                )
        texts = {name: RunningText([TableText(one, column)]) for name, one in tables.items()}
        return _dealt(texts["train"], data) if "test" not in texts else _with_validation(texts)


def _refuse_disorder(data: DataSource) -> None:
    if data.split_by != "order":
        raise UserError(
            f"data.split_by: found '{data.split_by}', expected order: in running text every part "
            "goes on where the one before it ends."
        )


def _files_of(data: DataSource, key: str) -> list[Path]:
    given = getattr(data, key)
    patterns = given if isinstance(given, list) else [given]
    return [path for pattern in patterns for path in matching_files(pattern, f"data.{key}")]


def _texts_of(data: DataSource, key: str) -> RunningText:
    files = _files_of(data, key)
    found = RunningText([FileText(path) for path in files])
    if not found.characters:
        raise UserError(f"data.{key}={getattr(data, key)}: found no text, expected some.")
    return found


def _texts_by_class(data: DataSource, key: str) -> dict[str, list[Text]]:
    """Return a key's files by class: their folder where there are several, else their name."""
    files = _files_of(data, key)
    folders = {path.parent for path in files}
    found: dict[str, list[Text]] = defaultdict(list)
    for path in files:
        name = path.parent.name if len(folders) > 1 else path.name.partition(".")[0]
        found[name].append(FileText(path))
    if len(found) < 2 and key in ("train", "file"):
        raise UserError(
            f"data.{key}={getattr(data, key)}: found one class, '{next(iter(found))}', expected a "
            "file or a folder of files for each of several (task.entity=class)."
        )
    return dict(found)


def _dealt_by_class(classes: Mapping[str, list[Text]], data: DataSource) -> dict[str, RunningText]:
    if any(isinstance(share, int) and share > 1 for share in data.split or ()):
        raise UserError(
            f"data.split: found {data.split}, expected shares: the text of each class is dealt."
        )
    dealt = {name: _dealt(RunningText(texts), data) for name, texts in classes.items()}
    return {
        key: _joined({name: [Portion(parts[key])] for name, parts in dealt.items()})
        for key in SPLITS
    }


def _joined(classes: Mapping[str, list[Text]]) -> RunningText:
    pairs = [(text, name) for name, texts in classes.items() for text in texts]
    return RunningText([text for text, _ in pairs], names=[name for _, name in pairs])


def _dealt(text: RunningText, data: DataSource) -> dict[str, RunningText]:
    sizes = sizes_of(list(SHARES if data.split is None else data.split), text.characters)
    if data.split is None:
        scored = [min(size, MOST_SCORED) for size in sizes[1:]]
        sizes = [text.characters - sum(scored), *scored]
    parts, start = {}, 0
    for name, size in zip(SPLITS, sizes, strict=True):
        parts[name] = text.part(start, start + size)
        start += size
    return parts


def _with_validation(given: Mapping[str, RunningText]) -> dict[str, RunningText]:
    """Return the three splits; the last twentieth of training is validation if there is none."""
    found = dict(given)
    if "validation" not in found:
        train = found["train"]
        kept = train.characters - max(1, train.characters // 20)
        found["train"], found["validation"] = (
            train.part(0, kept),
            train.part(kept, train.characters),
        )
    return {name: found[name] for name in SPLITS}

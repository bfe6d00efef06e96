"""Where tagged sentences come from: HKCanCor, CoNLL-U files, the hub."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from seqline_plugins.errors import UserError
from seqline_plugins.task.source import DataSource, Example, Source
from seqline_tasks.data.conllu import read_sentences
from seqline_tasks.data.files import digest_of, matching_files, read_lines
from seqline_tasks.data.hub import class_names, describe_hub, load_hub
from seqline_tasks.data.split import deal, hold_out
from seqline_tasks.pos_tagging.baseline import most_frequent_tag
from seqline_tasks.pos_tagging.passages import join, sentences_of

COLUMNS = ("upos", "xpos")
AUXILIARY = ("upos", "xpos", "feats", "deprel")
WORDS = ("tokens", "words", "form", "forms")
TAGS = ("tags", "pos_tags", "pos")
DEFAULT_HUB = ("universal-dependencies/universal_dependencies", "en_ewt")


class TaggedSource(Source):
    """Tagged sentences, {"words": […], "tags": [… or None]}, or passages of them."""

    def read(self, data: DataSource) -> dict[str, list[Example]]:
        """Return train, validation and test, the auxiliary columns under "auxiliary"."""
        also = tuple(self.config.auxiliary.columns)
        _check_auxiliary(data, also)
        most = self.config.passage
        if not most:
            return read_source(data, also)
        _check_order(data)
        splits = read_source(data, also)
        return {name: join(sentences, most) for name, sentences in splits.items()}

    def fingerprint(self, data: DataSource) -> dict[str, Any]:
        """Return file digests, or the package that holds the data and its version."""
        return fingerprint_source(data)

    def warnings(self, splits: Mapping[str, Sequence[Example]]) -> list[str]:
        """Warn of test sentences that training has too, and of tags that it never had."""
        found = []
        trained = set(_sentences(splits["train"]))
        every = _sentences(splits["test"])
        test = [words for words in every if len(words) > 3]
        shared = sum(words in trained for words in test)
        if all(words in trained for words in every):
            found.append("every test sentence is in the training data too: the scores flatter.")
        elif test and shared / len(test) > 0.05:
            share = f"{shared} of {len(test)} test sentences of four words or more"
            found.append(f"{share} are in the training data too: the scores flatter.")
        known = {tag for example in splits["train"] for tag in example["tags"]}
        new = [t for e in splits["test"] for t in e["tags"] if t not in known and t is not None]
        if new:
            names = ", ".join(f"'{tag}'" for tag in sorted(set(new))[:10])
            found.append(f"{len(new)} test words have a tag that training never had: {names}.")
        return found

    def baseline(self, splits: Mapping[str, Sequence[Example]]) -> dict[str, float]:
        """Return the most-frequent-tag accuracy."""
        return {"accuracy": most_frequent_tag(splits)}


def read_source(data: DataSource, also: Sequence[str] = ()) -> dict[str, list[Example]]:
    """Return train, validation and test sentences as {"words": […], "tags": [… or None]}.

    `also` names more columns of CoNLL-U files to read, as "auxiliary": {column: […]}.
    """
    column_of(data)
    if data.source == "files":
        splits = _read_files(data, also)
    else:
        splits = _read_builtin(data) if data.source == "builtin" else _read_hub(data)
    for name, examples in splits.items():
        if not any(tag is not None for example in examples for tag in example["tags"]):
            column = column_of(data)
            other = next(known for known in COLUMNS if known != column)
            raise UserError(
                f"data.column: found no {column} tag in the {name} split (data={data.source}); "
                f"data.column={other} reads the other column."
            )
    return splits


def column_of(data: DataSource) -> str:
    """Return the column to learn, upos unless chosen; raises `UserError` for another."""
    column = data.column or "upos"
    if column not in COLUMNS:
        raise UserError(f"data.column: found '{column}', expected {' or '.join(COLUMNS)}.")
    return column


def _check_auxiliary(data: DataSource, also: Sequence[str]) -> None:
    place = "task.auxiliary.columns"
    for column in also:
        if column not in AUXILIARY or column == column_of(data):
            known = [name for name in AUXILIARY if name != column_of(data)]
            raise UserError(f"{place}: found '{column}', expected any of {', '.join(known)}.")
    if also and data.source != "files":
        raise UserError(f"{place}: only data=files has other columns, not data={data.source}.")


def fingerprint_source(data: DataSource) -> dict[str, Any]:
    """Return what determines the sentences, without parsing them."""
    rule = {"column": column_of(data), "split": data.split, "split_by": data.split_by}
    rule |= {"seed": data.seed, "source": data.source}
    if data.source == "builtin":
        _pycantonese()
        return rule | {"pycantonese": version("pycantonese")}
    if data.source == "hub":
        repo, subset = _hub_name(data)
        return rule | describe_hub(repo, subset, data.revision)
    keys = ("train", "validation", "test", "file")
    return rule | {
        key: [digest_of(path) for path in _files_of(data, key)]
        for key in keys
        if getattr(data, key)
    }


def _read_builtin(data: DataSource) -> dict[str, list[Example]]:
    """HKCanCor: spoken Cantonese of Hong Kong; words without a tag are read, not scored."""
    utterances = _pycantonese().hkcancor().tokens(by_utterance=True)
    sentences = [
        {"words": [t.word for t in tokens], "tags": [t.pos or None for t in tokens]}
        for tokens in utterances
        if tokens
    ]
    return deal(sentences, data.split, data.split_by, data.seed)


def _pycantonese() -> Any:
    try:
        import pycantonese
    except ImportError as error:
        raise UserError(
            "data=builtin reads HKCanCor from the package pycantonese, which is not installed: "
            "pip install 'seqline[samples]', or use data=files data.train=… data.test=…"
        ) from error
    return pycantonese


def _sentences(examples: Sequence[Example]) -> list[tuple[str, ...]]:
    """Return the words of every sentence."""
    passages = sentences_of(examples, [example["words"] for example in examples])
    return [tuple(words) for _, words in passages]


def _check_order(data: DataSource) -> None:
    if data.split_by == "random":
        raise UserError(
            "task.passage: sentences that follow each other are read together, but "
            "data.split_by=random tears them apart: expected data.split_by=order."
        )


def _read_files(data: DataSource, also: Sequence[str]) -> dict[str, list[Example]]:
    if data.file:
        return deal(_read_pattern(data, "file", also), data.split, data.split_by, data.seed)
    for key in ("train", "test"):
        if not getattr(data, key):
            raise UserError(
                f"data.{key}: data=files needs data.train and data.test (data.validation too, "
                "or a tenth of the training data serves), or data.file alone."
            )
    keys = ("train", "validation", "test") if data.validation else ("train", "test")
    splits = {key: _read_pattern(data, key, also) for key in keys}
    return hold_out(splits, "sentence")


def _read_pattern(data: DataSource, key: str, also: Sequence[str]) -> list[Example]:
    column = column_of(data)
    examples: list[Example] = []
    for path in _files_of(data, key):
        for sentence in read_sentences(read_lines(path), (column, *also), str(path)):
            if not sentence.words:
                continue
            example = {"words": sentence.words, "tags": sentence.values.pop(column)}
            examples.append({**example, "auxiliary": sentence.values} if also else example)
    if not examples:
        raise UserError(f"data.{key}={getattr(data, key)}: no sentence was found.")
    return examples


def _files_of(data: DataSource, key: str) -> list[Path]:
    """Return the files of a key, which is a path, a glob or a list of them."""
    given = getattr(data, key)
    patterns = given if isinstance(given, list) else [given]
    return [path for pattern in patterns for path in matching_files(pattern, f"data.{key}")]


def _hub_name(data: DataSource) -> tuple[str, str | None]:
    return (data.repo, data.subset) if data.repo else DEFAULT_HUB


def _read_hub(data: DataSource) -> dict[str, list[Example]]:
    repo, subset = _hub_name(data)
    splits = {
        name: _from_table(table, column_of(data), repo)
        for name, table in load_hub(repo, subset, data.revision).items()
    }
    if "test" not in splits:
        return deal(splits["train"], data.split, data.split_by, data.seed)
    return hold_out(splits, "sentence")


def _from_table(table: Any, column: str, repo: str) -> list[Example]:
    words = _first_column(table, WORDS, repo)
    tags = _first_column(table, (column, *TAGS), repo)
    names = class_names(table, tags)
    examples: list[Example] = []
    for row in table:
        values = [names[tag] if names is not None else tag for tag in row[tags]]
        if row[words]:
            kept = [None if value in ("_", "", None) else str(value) for value in values]
            examples.append({"words": list(row[words]), "tags": kept})
    return examples


def _first_column(table: Any, known: tuple[str, ...], repo: str) -> str:
    for name in known:
        if name in table.column_names:
            return name
    there = ", ".join(table.column_names)
    raise UserError(f"data.repo={repo}: has columns {there}, expected one of {', '.join(known)}.")

"""Where pairs of sentences come from: interface strings, files, the hub."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from seqline_plugins.errors import UserError
from seqline_plugins.sources import DataSource
from seqline_plugins.task import Example, Source
from seqline_tasks.data.hub import describe_hub, load_hub
from seqline_tasks.data.pairs import digests_of_pairs, read_pairs
from seqline_tasks.data.split import deal, hold_out
from seqline_tasks.translation.baseline import copy_the_source
from seqline_tasks.translation.interface_strings import interface_strings, version_of_strings

DEFAULT_HUB = ("bentrevett/multi30k", None)
DEFAULT_COLUMNS = "de-en"
KEYS = ("train", "validation", "test", "file")


class PairSource(Source):
    """Pairs, {"source": text, "target": text}; those with an empty side are left out."""

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self._left_out: dict[str, int] = {}

    def read(self, data: DataSource) -> dict[str, list[Example]]:
        """Return train, validation and test."""
        readers = {"builtin": self._builtin, "hub": self._hub, "files": self._files}
        return readers[data.source](data)

    def fingerprint(self, data: DataSource) -> dict[str, Any]:
        """Return file digests, or the package that holds the data and its version."""
        rule: dict[str, Any] = {"split": data.split, "split_by": data.split_by, "seed": data.seed}
        rule |= {"source": data.source, "column": data.column}
        if data.source == "builtin":
            return rule | version_of_strings()
        if data.source == "hub":
            repo, subset = _hub_name(data)
            return rule | describe_hub(repo, subset, data.revision)
        given = {key: getattr(data, key) for key in KEYS if getattr(data, key)}
        return rule | {key: digests_of_pairs(one, f"data.{key}") for key, one in given.items()}

    def baseline(self, splits: Mapping[str, Sequence[Example]]) -> dict[str, float]:
        """Return BLEU and chrF of the source itself as its translation."""
        return copy_the_source(splits["test"])

    def warnings(self, splits: Mapping[str, Sequence[Example]]) -> list[str]:
        """Tell of pairs that were left out, and of test pairs that training has too."""
        found = [
            f"{count:,} pairs of {name} have an empty side and are left out."
            for name, count in self._left_out.items()
        ]
        trained = {(pair["source"], pair["target"]) for pair in splits["train"]}
        test = [(pair["source"], pair["target"]) for pair in splits["test"]]
        shared = sum(pair in trained for pair in test)
        if shared > 0.05 * len(test):
            share = f"{shared:,} of {len(test):,} test pairs"
            found.append(f"{share} are in the training data too: the scores flatter.")
        return found

    def _builtin(self, data: DataSource) -> dict[str, list[Example]]:
        pairs = self._examples("the strings", interface_strings())
        return deal(pairs, data.split, data.split_by, data.seed)

    def _files(self, data: DataSource) -> dict[str, list[Example]]:
        given = {key: getattr(data, key) for key in KEYS if getattr(data, key)}
        read = {
            key: self._examples(f"data.{key}", read_pairs(one, f"data.{key}"))
            for key, one in given.items()
        }
        if "file" in read:
            return deal(read["file"], data.split, data.split_by, data.seed)
        for key in ("train", "test"):
            if key not in read:
                raise UserError(f"data.{key}: data=files needs it, [SOURCE,TARGET] or one file.")
        return hold_out(read, "pair")

    def _hub(self, data: DataSource) -> dict[str, list[Example]]:
        repo, subset = _hub_name(data)
        source, _, target = (data.column or DEFAULT_COLUMNS).partition("-")
        splits = {
            name: self._examples(name, _from_table(table, source, target, repo))
            for name, table in load_hub(repo, subset, data.revision).items()
        }
        if "test" not in splits:
            return deal(splits["train"], data.split, data.split_by, data.seed)
        return hold_out(splits, "pair")

    def _examples(self, name: str, pairs: Iterable[tuple[str, str]]) -> list[Example]:
        """Turn pairs into examples in the direction asked for, without those with no text."""
        given = list(pairs)
        kept = [pair for pair in given if pair[0] and pair[1]]
        if len(kept) < len(given):
            self._left_out[name] = len(given) - len(kept)
        names = ("target", "source") if self.config.reverse else ("source", "target")
        return [dict(zip(names, pair, strict=True)) for pair in kept]


def _hub_name(data: DataSource) -> tuple[str, str | None]:
    return (data.repo, data.subset) if data.repo else DEFAULT_HUB


def _from_table(table: Any, source: str, target: str, repo: str) -> list[tuple[str, str]]:
    """Read two columns, or the two languages in a column `translation`."""
    names = table.column_names
    if "translation" in names:
        rows = [row["translation"] for row in table]
        names = sorted({name for row in rows[:1] for name in row})
    else:
        rows = table
    for one in (source, target):
        if one not in names:
            raise UserError(
                f"data.repo={repo}: has {', '.join(names)}, but no '{one or '(nothing)'}'; two of "
                "them are chosen as data.column=SOURCE-TARGET."
            )
    return [(str(row[source] or "").strip(), str(row[target] or "").strip()) for row in rows]

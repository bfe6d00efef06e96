"""Where pairs of sentences come from: interface strings, files, the hub."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, overload

from seqline_plugins.errors import UserError
from seqline_plugins.task.source import DataSource, Example
from seqline_tasks.data.corpus import KEYS, CorpusSource
from seqline_tasks.data.hub import load_hub
from seqline_tasks.data.pairs import check_pairs, digests_of_pairs, each_pair, read_pairs
from seqline_tasks.data.split import deal, hold_out
from seqline_tasks.translation.baseline import copy_the_source
from seqline_tasks.translation.interface_strings import interface_strings, version_of_strings

DEFAULT_COLUMNS = "de-en"


class FilePairs(Sequence[Example]):
    """The pairs of files with text on both sides, read again each time: none is held."""

    def __init__(
        self, given: Any, key: str, names: tuple[str, str], stop: int, start: int = 0
    ) -> None:
        self._of = (given, key, names)
        self._range = range(start, stop)

    @property
    def left_out(self) -> int:
        """Pairs with an empty side, in all of the files."""
        given, key, _ = self._of
        return sum(1 for pair in each_pair(given, key) if not (pair[0] and pair[1]))

    def __len__(self) -> int:
        return len(self._range)

    def __iter__(self) -> Iterator[Example]:
        given, key, names = self._of
        whole = (pair for pair in each_pair(given, key) if pair[0] and pair[1])
        for pair in islice(whole, self._range.start, self._range.stop):
            yield dict(zip(names, pair, strict=True))

    @overload
    def __getitem__(self, index: int) -> Example: ...
    @overload
    def __getitem__(self, index: slice) -> FilePairs: ...
    def __getitem__(self, index: int | slice) -> Example | FilePairs:
        if isinstance(index, slice):
            part = self._range[index]
            return FilePairs(*self._of, part.stop, part.start)
        return next(iter(self[index : index + 1 or None]))


class PairSource(CorpusSource):
    """Pairs, {"source": text, "target": text}; those with an empty side are left out."""

    default_hub = ("bentrevett/multi30k", None)

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self._left_out: dict[str, int] = {}

    def versions(self) -> dict[str, str]:
        """Return the packages that hold the built-in data."""
        return version_of_strings()

    def digests(self, data: DataSource, key: str) -> list[Any]:
        """Return the digests of a key's files."""
        return digests_of_pairs(getattr(data, key), f"data.{key}")

    def baseline(self, splits: Mapping[str, Sequence[Example]]) -> dict[str, float]:
        """Return BLEU and chrF of the source itself as its translation."""
        return copy_the_source(splits["test"])

    def warnings(self, splits: Mapping[str, Sequence[Example]]) -> list[str]:
        """Tell of pairs that were left out, and of test pairs that training has too."""
        found = [
            f"{count:,} pairs of {name} have an empty side and are left out."
            for name, count in self._left_out.items()
        ]
        test = [(pair["source"], pair["target"]) for pair in splits["test"]]
        asked, shared_ones = set(test), set()
        for pair in splits["train"]:  # which may be many more than memory holds
            one = (pair["source"], pair["target"])
            if one in asked:
                shared_ones.add(one)
        shared = sum(pair in shared_ones for pair in test)
        if shared > 0.05 * len(test):
            share = f"{shared:,} of {len(test):,} test pairs"
            found.append(f"{share} are in the training data too: the scores flatter.")
        return found

    def read_builtin(self, data: DataSource) -> dict[str, list[Example]]:
        """Return the splits of the built-in data."""
        pairs = self._examples("the strings", interface_strings())
        return deal(pairs, data.split, data.split_by, data.seed)

    def read_files(self, data: DataSource) -> dict[str, Sequence[Example]]:
        """Return the splits of files."""
        given = {key: getattr(data, key) for key in KEYS if getattr(data, key)}
        if "file" in given:
            pairs = self._examples("data.file", read_pairs(given["file"], "data.file"))
            return dict(deal(pairs, data.split, data.split_by, data.seed))
        for key in ("train", "test"):
            if key not in given:
                raise UserError(f"data.{key}: data=files needs it, [SOURCE,TARGET] or one file.")
        names = self._names()
        read: dict[str, Sequence[Example]] = {}
        for key, one in given.items():
            place = f"data.{key}"
            read[key] = found = FilePairs(one, place, names, check_pairs(one, place))
            if found.left_out:
                self._left_out[place] = found.left_out
        return hold_out(read, "pair")

    def read_hub(self, data: DataSource) -> Mapping[str, Sequence[Example]]:
        """Return the splits of a public dataset."""
        repo, subset = self.hub_name(data)
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
        return [dict(zip(self._names(), pair, strict=True)) for pair in kept]

    def _names(self) -> tuple[str, str]:
        return ("target", "source") if self.config.reverse else ("source", "target")


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

"""The trivial tagger: each word's most frequent tag in training."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from seqline_plugins.task.source import Example


def most_frequent_tag(splits: Mapping[str, Sequence[Example]]) -> float:
    """Return its accuracy on the test split; a word unseen in training gets the overall tag."""
    of_word: dict[str, Counter[str]] = defaultdict(Counter)
    overall: Counter[str] = Counter()
    for example in splits["train"]:
        for word, tag in zip(example["words"], example["tags"], strict=True):
            if tag is not None:
                of_word[word][tag] += 1
                overall[tag] += 1
    usual = {word: counts.most_common(1)[0][0] for word, counts in of_word.items()}
    otherwise = overall.most_common(1)[0][0]
    right = total = 0
    for example in splits["test"]:
        for word, tag in zip(example["words"], example["tags"], strict=True):
            if tag is not None:
                total += 1
                right += usual.get(word, otherwise) == tag
    return right / total

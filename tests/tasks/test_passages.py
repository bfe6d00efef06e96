"""Sentences read together: joined, scored by the sentence, taken apart again."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from toy_language import conllu, sentences

from seqline_plugins import UserError
from seqline_plugins.options import build_config
from seqline_plugins.task.source import DataSource
from seqline_tasks.pos_tagging import PosTagging
from seqline_tasks.pos_tagging.config import Config
from seqline_tasks.pos_tagging.encoding import TagEncoding
from seqline_tasks.pos_tagging.passages import BREAK, join, sentences_of
from seqline_tasks.pos_tagging.scoring import TagMetrics
from seqline_tasks.pos_tagging.sources import TaggedSource


def sentence(words: list[str]) -> dict[str, list[Any]]:
    return {"words": words, "tags": [word.upper() for word in words]}


SENTENCES = st.lists(st.lists(st.sampled_from("abc"), max_size=7).map(sentence), max_size=12)


@given(SENTENCES, st.integers(1, 12))
def test_passages_are_as_long_as_they_may_and_hold_all_in_order(
    given_ones: list[dict[str, list[Any]]], most: int
) -> None:
    passages = join(given_ones, most)
    apart = list(sentences_of(passages, [one["tags"] for one in passages]))
    assert [one for one, _ in apart] == [one for one in given_ones if one["words"]]
    assert all(own == one["tags"] for one, own in apart)
    for passage in passages:
        assert len(passage["words"]) <= most or BREAK not in passage["words"]
        assert [tag is None for tag in passage["tags"]] == [w == BREAK for w in passage["words"]]
    for one, following in pairwise(passages):
        first = following["words"].index(BREAK) if BREAK in following["words"] else None
        assert len(one["words"]) + 1 + len(following["words"][:first]) > most


@given(SENTENCES, st.integers(0, 12))
def test_what_is_read_together_is_taken_apart_again(
    given_ones: list[dict[str, list[Any]]], most: int
) -> None:
    task = PosTagging(Config(passage=most))
    read = task.together(given_ones)
    answers = [[f"{word}!" for word in passage["words"]] for passage in read]
    assert task.apart(given_ones, read, answers) == [
        [f"{word}!" for word in one["words"]] for one in given_ones
    ]


def test_auxiliary_columns_are_joined_too() -> None:
    parts = [
        {"words": ["a"], "tags": ["A"], "auxiliary": {"xpos": ["1"]}},
        {"words": ["b"], "tags": [None], "auxiliary": {"xpos": ["2"]}},
    ]
    assert join(parts, 9) == [
        {
            "words": ["a", BREAK, "b"],
            "tags": ["A", None, None],
            "auxiliary": {"xpos": ["1", None, "2"]},
        }
    ]


def test_figures_are_the_same_however_sentences_are_joined() -> None:
    apart = [sentence(list(text)) for text in ("ab", "cab", "a", "bb")]
    wrong = {1, 4, 6}  # of the words in order
    figures = []
    for most in (0, 5, 20):
        read = PosTagging(Config(passage=most)).together(apart)
        config = build_config(Config, {"passage": most, "words": {"min_count": 1}}, "task")
        encoding = TagEncoding.build(read, config)
        split = encoding.encode(read)
        metrics = TagMetrics(config, encoding)
        place = 0
        for row in range(len(read)):
            batch = split.batch([row])
            predicted = batch["tags"].clone()
            for step, word in enumerate(read[row]["words"]):
                if word == BREAK:
                    continue
                if place in wrong:
                    predicted[0, step] = (predicted[0, step] + 1) % len(encoding.tags)
                place += 1
            metrics.update(predicted, batch)
        figures.append(metrics.compute())
    assert figures[0]["accuracy"] == pytest.approx(5 / 8)
    assert figures[0]["sentence_accuracy"] == pytest.approx(1 / 4)
    assert figures[1] == pytest.approx(figures[0])
    assert figures[2] == pytest.approx(figures[0])


def test_a_batch_of_passages_counts_each_sentence_once() -> None:
    read = join([sentence(list(text)) for text in ("ab", "c", "abc", "b", "a")], 4)
    config = build_config(Config, {"words": {"min_count": 1}}, "task")
    encoding = TagEncoding.build(read, config)
    batch = encoding.encode(read).batch(range(len(read)))
    metrics = TagMetrics(config, encoding)
    metrics.update(torch.zeros_like(batch["tags"]), batch)  # every word an A
    assert metrics.compute()["sentence_accuracy"] == pytest.approx(1 / 5)


def test_the_data_are_joined_within_each_split_and_never_shuffled_first(tmp_path: Path) -> None:
    path = tmp_path / "all.conllu"
    every = sentences(40)
    path.write_text(conllu(every), encoding="utf-8")
    source = TaggedSource(Config(passage=30))
    splits = source.read(DataSource(source="files", file=str(path)))
    wanted = {"train": every[:32], "validation": every[32:36], "test": every[36:]}
    for name, own in wanted.items():
        again = sentences_of(splits[name], [one["tags"] for one in splits[name]])
        assert [one for one, _ in again] == own
    plain = TaggedSource(Config())
    assert source.baseline(splits) == plain.baseline(wanted)
    assert source.warnings(splits) == plain.warnings(wanted)
    with pytest.raises(UserError, match=r"task\.passage: .* expected data\.split_by=order"):
        source.read(DataSource(source="files", file=str(path), split_by="random"))


def test_what_a_person_sees_are_sentences() -> None:
    read = join([sentence(["a"] * 6), sentence(["b"] * 7)], 30)
    shown = PosTagging(Config(passage=30)).samples(read, [["A"] * 7 + ["B"] * 7])
    assert shown == [" ".join(["a/A"] * 6), " ".join(["b/B"] * 7)]
    assert PosTagging(Config()).text_of(read[0]) == "a a a a a a b b b b b b b"

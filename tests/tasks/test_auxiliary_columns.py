"""Columns learned beside the tags: read, numbered, in the training loss alone, refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from toy_language import conllu, sentences

from seqline_plugins import UserError
from seqline_plugins.task.source import DataSource
from seqline_tasks.pos_tagging.config import Auxiliary, Config
from seqline_tasks.pos_tagging.encoding import UNSCORED, TagEncoding
from seqline_tasks.pos_tagging.head import TagHead
from seqline_tasks.pos_tagging.sources import TaggedSource

CONFIG = Config(auxiliary=Auxiliary(columns=["xpos"], weight=0.5, min_count=1))


@pytest.fixture
def read(tmp_path: Path):
    """Read training and test files with other columns than the tags."""
    for name, count in {"train": 30, "test": 5}.items():
        (tmp_path / f"{name}.conllu").write_text(conllu(sentences(count)), encoding="utf-8")

    def read_files(*columns: str, column: str = "upos", source: str = "files"):
        files = {name: str(tmp_path / f"{name}.conllu") for name in ("train", "test")}
        config = Config(auxiliary=Auxiliary(columns=list(columns)))
        return TaggedSource(config).read(DataSource(source=source, column=column, **files))

    return read_files


def test_they_are_read_beside_the_tags(read) -> None:
    first = read("xpos")["train"][0]
    assert first["auxiliary"] == {"xpos": [f"{tag}2" for tag in first["tags"]]}
    assert "auxiliary" not in read()["train"][0]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"column": "upos", "columns": ["lemma"]}, "found 'lemma', expected any of xpos, feats"),
        ({"column": "xpos", "columns": ["xpos"]}, "found 'xpos', expected any of upos, feats"),
        ({"source": "builtin", "columns": ["xpos"]}, "only data=files has other columns"),
    ],
)
def test_what_is_no_other_column_is_refused(read, asked, said) -> None:
    columns = asked.pop("columns")
    with pytest.raises(UserError, match=rf"task\.auxiliary\.columns: {said}"):
        read(*columns, **asked)


def test_rare_labels_are_not_learned(read) -> None:
    examples = read("xpos")["train"]
    examples[0]["auxiliary"]["xpos"][0] = "ONCE"
    often = Config(auxiliary=Auxiliary(columns=["xpos"], min_count=2))
    encoding = TagEncoding.build(examples, often)
    assert "ONCE" not in encoding.auxiliary["xpos"] and "NOUN2" in encoding.auxiliary["xpos"]
    assert encoding.encode(examples).batch([0])["auxiliary.xpos"][0, 0] == UNSCORED


def test_their_loss_is_added_in_training_alone(read) -> None:
    examples = read("xpos")["train"]
    encoding = TagEncoding.build(examples, CONFIG)
    batch = encoding.encode(examples).batch([0, 1, 2])
    torch.manual_seed(0)
    head = TagHead(CONFIG, encoding, 8, {})
    hidden = torch.randn(*batch["tags"].shape, 8)
    of_tags, words = head.softmax.loss(hidden, batch["tags"])
    of_others, _ = head.auxiliary["xpos"].loss(hidden, batch["auxiliary.xpos"])
    summed, count = head.train().loss(hidden, batch)
    torch.testing.assert_close(summed, of_tags + 0.5 * of_others)
    torch.testing.assert_close(head.step_losses(hidden, batch).sum(), summed)
    assert count == words
    torch.testing.assert_close(head.eval().loss(hidden, batch)[0], of_tags)


def test_text_that_has_none_is_predicted_all_the_same(read) -> None:
    encoding = TagEncoding.build(read("xpos")["train"], CONFIG)
    batch = encoding.encode([{"words": ["the", "dog"], "tags": [None, None]}]).batch([0])
    head = TagHead(CONFIG, encoding, 8, {}).eval()
    assert head.predict(torch.randn(1, 2, 8)).shape == (1, 2)
    assert "auxiliary.xpos" not in batch

"""Words and tags in numbers: types, unknown ones, long words, characters of any plane."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from seqline_tasks.pos_tagging.encoding import (
    UNKNOWN,
    UNSCORED,
    TagEncoding,
    TaggedSentences,
    affixes_of,
    shape_of,
)

TRAIN = [
    {"words": ["the", "dog", "barks"], "tags": ["DET", "NOUN", "VERB"]},
    {"words": ["the", "the", "𝄞𝄞"], "tags": ["DET", None, "SYM"]},
    {"words": ["dog"], "tags": ["VERB"]},
]


def test_words_are_counted_and_rare_ones_unknown(encode) -> None:
    encoding, _ = encode(TRAIN)
    assert encoding.word_counts == {"barks": 1, "dog": 2, "the": 3, "𝄞𝄞": 1}
    assert encoding.words == {"dog": 2, "the": 3}
    assert encoding.tags == ["DET", "NOUN", "SYM", "VERB"]
    assert set(encoding.characters) == set("thedogbarks𝄞")
    assert encoding.describe()["tags"] == 4


def test_a_batch_holds_every_distinct_word_once(encode) -> None:
    _, split = encode(TRAIN)
    batch = split.batch([1, 0, 2])
    assert batch["lengths"].tolist() == [3, 3, 1]
    words = batch["word"][batch["token"]].tolist()
    assert words[0] == [3, 3, UNKNOWN] and words[1] == [3, 2, UNKNOWN] and words[2][0] == 2
    assert len(batch["word"]) == len(batch["characters"]) == 4
    assert batch["tags"].tolist() == [
        [0, UNSCORED, 2],
        [0, 1, 3],
        [3, UNSCORED, UNSCORED],
    ]
    only = split.batch([2])
    assert (only["word"].tolist(), only["count"].tolist()) == ([2], [2])


def test_counts_are_those_of_training(encode) -> None:
    encoding, _ = encode(TRAIN)
    batch = encoding.encode([{"words": ["the", "barks", "new"], "tags": [None] * 3}]).batch([0])
    assert batch["count"][batch["token"]].tolist() == [[3, 1, 0]]


def test_what_training_never_had_gets_numbers_of_its_own(encode) -> None:
    encoding, _ = encode(TRAIN)
    batch = encoding.encode([{"words": ["Zz", "dog"], "tags": ["NEW", None]}]).batch([0])
    place = batch["token"][0, 0]
    assert batch["word"][place] == UNKNOWN
    assert batch["characters"][place, :2].tolist() == [UNKNOWN, UNKNOWN]
    assert set(batch["affixes"][place].tolist()) == {UNKNOWN}
    assert batch["tags"].tolist() == [[len(encoding.tags), UNSCORED]]


def test_long_words_keep_their_beginning_and_end(encode) -> None:
    encoding, _ = encode([{"words": ["abcdefghijklmnop"], "tags": ["X"]}])
    long = "abcd" + "z" * 4992 + "mnop"
    batch = encoding.encode([{"words": [long], "tags": [None]}]).batch([0])
    assert batch["character_lengths"].tolist() == [8]
    numbers = {number: char for char, number in encoding.characters.items()}
    assert "".join(numbers[n] for n in batch["characters"][0].tolist()) == "abcdmnop"


def test_an_empty_word_is_read_as_an_unknown_character(encode) -> None:
    encoding, _ = encode(TRAIN)
    batch = encoding.encode([{"words": [""], "tags": [None]}]).batch([0])
    assert batch["character_lengths"].tolist() == [1]
    assert batch["characters"].tolist() == [[UNKNOWN]]


def test_characters_beyond_the_basic_plane_are_one_each(encode) -> None:
    _, split = encode([{"words": ["𝄞😀"], "tags": ["SYM"]}])
    assert split.batch([0])["character_lengths"].tolist() == [2]


def test_affixes_mark_their_side_and_length() -> None:
    assert affixes_of("running", 3) == ["^r", "^^ru", "^^^run", "g$", "ng$$", "ing$$$"]
    assert affixes_of("a", 2) == ["^a", "^^a", "a$", "a$$"]


@pytest.mark.parametrize(
    ("word", "shape"),
    [
        ("London", "Xx"),
        ("UN", "X"),
        ("3.14", "d.d"),
        ("dog", "x"),
        ("iPhone", "xXx"),
        ("...", "."),
        ("2-day", "d-x"),
        ("你好", "x"),
        ("😀", "😀"),
        ("", ""),
        ("a\nb", "x\nx"),
    ],
)
def test_a_words_shape(word: str, shape: str) -> None:
    assert shape_of(word) == shape


def test_the_vocabulary_and_the_split_read_back(encode, tmp_path: Path) -> None:
    encoding, split = encode(TRAIN)
    encoding.save(tmp_path)
    loaded = TagEncoding.load(tmp_path)
    assert loaded == encoding
    split.save(tmp_path / "split")
    again = TaggedSentences.load(tmp_path / "split")
    assert list(again.lengths) == list(split.lengths) == [3, 3, 1]
    for name, tensor in split.batch([2, 0, 1]).items():
        assert torch.equal(again.batch([2, 0, 1])[name], tensor)


def test_the_stored_vocabulary_is_text_a_person_can_read(encode, tmp_path: Path) -> None:
    encode(TRAIN)[0].save(tmp_path)
    text = (tmp_path / "vocabulary.json").read_text(encoding="utf-8")
    assert "𝄞𝄞" in text and [p.name for p in tmp_path.iterdir()] == ["vocabulary.json"]

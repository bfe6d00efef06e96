"""What the network reads of a word; each kind can be switched off, dropout acts in training."""

from __future__ import annotations

import pytest
import torch
from toy_language import sentences

from seqline_tasks.pos_tagging.inputs import WordInputs

SIZES = {"words": 6, "characters": 4, "affixes": 2 * 2 * 2, "shape": 4}
OFF = {
    "words": {"size": 0},
    "characters": {"hidden_size": 0},
    "affixes": {"size": 0},
    "shape": {"size": 0},
}


def made(encode, options, **changed):
    torch.manual_seed(0)
    encoding, split = encode(sentences(20), **changed)
    return WordInputs(options(**changed), encoding), split.batch(range(8))


def test_features_stand_side_by_side(encode, options) -> None:
    inputs, batch = made(encode, options)
    features, lengths = inputs(batch)
    assert inputs.output_size == sum(SIZES.values())
    assert features.shape == (*batch["token"].shape, inputs.output_size)
    assert torch.equal(lengths, batch["lengths"])


@pytest.mark.parametrize("kind", OFF)
def test_each_kind_can_be_switched_off(encode, options, kind: str) -> None:
    inputs, batch = made(encode, options, **{kind: OFF[kind]})
    assert inputs.output_size == sum(SIZES.values()) - SIZES[kind]
    assert inputs(batch)[0].shape[-1] == inputs.output_size
    assert not [name for name, _ in inputs.named_parameters() if name.startswith(kind)]


@pytest.mark.parametrize("kind", OFF)
def test_each_kind_alone_serves_and_learns(encode, options, kind: str) -> None:
    off = {other: OFF[other] for other in OFF if other != kind}
    inputs, batch = made(encode, options, **off)
    features, _ = inputs(batch)
    assert features.shape[-1] == inputs.output_size == SIZES[kind]
    features.square().sum().backward()
    gradients = [float(p.grad.abs().sum()) for p in inputs.parameters() if p.numel()]
    assert gradients and all(gradient > 0 for gradient in gradients)


def test_one_word_has_the_same_features_wherever_it_stands(encode, options) -> None:
    inputs, batch = made(encode, options)
    inputs.eval()
    features, _ = inputs(batch)
    flat, token = features.flatten(0, 1), batch["token"].flatten()
    for word in token.unique():
        rows = flat[token == word]
        assert torch.equal(rows, rows[:1].expand_as(rows))


def test_words_become_unknown_in_training_only_rare_ones_more_often(encode, options) -> None:
    strength = 1.0
    inputs, batch = made(encode, options, words={"size": 6, "dropout": strength, "min_count": 1})
    numbers, counts = batch["word"][batch["token"]], batch["count"][batch["token"]]
    inputs.eval()
    assert torch.equal(inputs._word_numbers(batch), numbers)
    inputs.train()
    draws = torch.stack([inputs._word_numbers(batch) == 1 for _ in range(600)]).double().mean(0)
    wanted = strength / (strength + counts.double())
    torch.testing.assert_close(draws, wanted, rtol=0, atol=0.1)


def test_characters_are_read_to_each_words_own_ends(encode, options) -> None:
    off = {kind: OFF[kind] for kind in ("words", "affixes", "shape")}
    inputs, batch = made(encode, options, **off)
    features, _ = inputs(batch)
    reader = inputs.characters
    for row in range(2):
        place = batch["token"][row, 0]
        length = int(batch["character_lengths"][place])
        one = batch["characters"][place : place + 1, :length]
        _, last = reader.recurrence(reader.vectors(one))
        ends = torch.cat([last["layer0.forward.h"], last["layer0.backward.h"]], dim=-1)
        torch.testing.assert_close(features[row, 0], ends[0])


def test_a_long_word_is_not_what_short_ones_are_padded_to(encode, options) -> None:
    inputs, _ = made(encode, options)
    reader, read = inputs.characters, []
    lengths = torch.tensor([1, 8, 9, 2, 300, 16, 17, 8])
    characters = torch.randint(2, 6, (8, 300)) * (torch.arange(300) < lengths[:, None])
    alone = [reader(characters[row : row + 1], lengths[row : row + 1]) for row in range(8)]
    reader.recurrence.register_forward_pre_hook(lambda _, given: read.append(given[0].shape[:2]))
    torch.testing.assert_close(reader(characters, lengths), torch.cat(alone))
    assert [tuple(shape) for shape in read] == [(4, 8), (2, 16), (1, 17), (1, 300)]


def test_padding_and_batch_mates_change_no_features(encode, options) -> None:
    torch.manual_seed(0)
    encoding, split = encode(sentences(20))
    inputs = WordInputs(options(), encoding).eval()
    features, lengths = inputs(split.batch([3, 7, 11, 2]))
    for place, row in enumerate([3, 7, 11, 2]):
        alone, _ = inputs(split.batch([row]))
        torch.testing.assert_close(features[place, : lengths[place]], alone[0], rtol=0, atol=1e-6)


def test_word_vectors_start_at_length_one_and_padding_at_zero(encode, options) -> None:
    inputs, _ = made(encode, options, words={"size": 256, "min_count": 1})
    lengths = inputs.words.weight[1:].norm(dim=1)
    assert lengths.mean().item() == pytest.approx(1.0, abs=0.1)
    assert not inputs.words.weight[0].any()

"""Copies from the source: probabilities that add up, the paper's sums, what is looked at twice."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from toy_translation import pairs

from seqline.config.compose import compose
from seqline.decoding.unknowns import replace_unknown
from seqline.model import build_model
from seqline_plugins.build import build_task
from seqline_plugins.errors import UserError
from seqline_tasks.heads.copying import coverage_losses
from seqline_tasks.heads.softmax import UNSCORED

CHOICES = ["task=translation", "architecture=encoder_decoder", "cell=gru"]
SMALL = ["architecture.hidden_size=6", "task.embedding.size=5", "task.subwords.joint=true"]
COPY = [*SMALL, "architecture.copy=true"]


def made(*overrides: str, count: int = 12) -> tuple[Any, Any, Any, list[dict[str, str]]]:
    torch.manual_seed(0)
    config = compose([*CHOICES, *overrides])
    task = build_task(config["task"])
    examples = [{"source": source, "target": target} for source, target in pairs(count)]
    encoding = task.encoding.build(examples, task.config)
    return task, build_model(config, encoding).double().eval(), encoding, examples


def test_probabilities_with_copies_add_to_one_and_their_loss_is_the_searchs() -> None:
    _, model, encoding, examples = made(*COPY)
    batch = encoding.encode(examples[:4]).batch(range(4))
    losses = model.step_losses(model(batch)[0], batch)
    with torch.no_grad():
        state, _ = model.begin(batch)
        for step in range(batch["fed"].shape[1]):
            scores, state = model.advance(batch["fed"][:, step], state)
            torch.testing.assert_close(scores.exp().sum(-1), torch.ones(4, dtype=torch.float64))
            target = batch["target"][:, step]
            there = target != UNSCORED
            wanted = -scores.gather(1, target.clamp(min=0).unsqueeze(-1)).squeeze(-1)
            torch.testing.assert_close(losses[there, step], wanted[there])


def test_where_the_gate_is_shut_all_is_copied() -> None:
    _, model, encoding, examples = made(*COPY)
    batch = encoding.encode(examples[:2]).batch([0, 1])
    torch.nn.init.zeros_(model.architecture.decoder.gate.weight)
    with torch.no_grad():
        model.architecture.decoder.gate.bias.fill_(-1e4)
        state, _ = model.begin(batch)
        scores, _ = model.advance(batch["fed"][:, 0], state)
    for row in range(2):
        pieces = set(batch["source"][row, : batch["source_lengths"][row]].tolist())
        likely = {number for number, p in enumerate(scores[row].exp().tolist()) if p > 1e-9}
        assert likely == pieces


def test_the_gate_learns() -> None:
    _, model, encoding, examples = made(*COPY, "loss.label_smoothing=0.1")
    model.train()
    batch = encoding.encode(examples).batch(range(8))
    model.loss(model(batch)[0], batch)[0].backward()
    assert float(model.architecture.decoder.gate.weight.grad.abs().max()) > 0


def test_looking_twice_costs_what_the_paper_says() -> None:
    weights = torch.tensor([[[0.5, 0.5, 0.0], [0.5, 0.0, 0.5], [1.0, 0.0, 0.0]]])
    torch.testing.assert_close(coverage_losses(weights), torch.tensor([[0.0, 0.5, 1.0]]))
    _, model, encoding, examples = made(*SMALL, "loss.coverage=1")
    batch = encoding.encode(examples).batch(range(4))
    plain = float(model.loss(model(batch)[0], batch)[0])
    model.train()
    for module in model.modules():
        if isinstance(module, type(model.architecture)):
            module.config.input_dropout = module.config.output_dropout = 0.0
    found, _ = model(batch)
    scored = batch["target"] != UNSCORED
    twice = float(coverage_losses(found.weights)[scored].sum())
    assert twice > 0
    assert float(model.loss(found, batch)[0]) == pytest.approx(plain + twice)


def test_an_unknown_piece_becomes_the_part_of_the_source_that_is_looked_at_most() -> None:
    options = ["task.subwords.kind=word", "task.subwords.joint=false"]
    task, model, encoding, _ = made(*SMALL[:2], *options)
    examples = [{"source": "the zebra sees Quux, again", "target": ""}]
    batch = encoding.encode(examples).batch([0])
    tokens = encoding.search_tokens
    known = encoding.target.encode(["le chien"])[0]
    written = torch.tensor([[known[0], tokens.unknown, known[1], tokens.end]])
    replaced = replace_unknown(model, batch, written, tokens)
    assert replaced[0, [0, 2, 3]].tolist() == [known[0], known[1], tokens.end]
    place = -1 - int(replaced[0, 1])
    looked = model.look(model.inputs.with_output(batch, written))[0, 1]
    assert place == int(looked[:-1].argmax())
    parts = ["the", "zebra", "sees", "Quux", ",", "again"]
    for number, part in enumerate(parts):
        row = torch.tensor([[known[0], -1 - number, known[1], tokens.end]])
        said = task.answer(encoding, row, batch, examples)[0][0]
        assert said == ("le, chien" if part == "," else f"le {part} chien")


def test_a_share_of_what_is_given_is_what_the_model_wrote() -> None:
    _, model, encoding, examples = made(*SMALL)
    batch = encoding.encode(examples).batch(range(10))
    predicted = torch.full_like(batch["fed"], 7)
    for share, wanted in ((0.0, 0.0), (0.5, 0.5), (1.0, 1.0)):
        fed = model.inputs.mixed(batch, predicted, share)["fed"]
        assert torch.equal(fed[:, 0], batch["fed"][:, 0])
        taken = (fed[:, 1:] == 7).double().mean()
        assert float(taken) == pytest.approx(wanted, abs=0.2)
    model.train()
    model.own_share = 1.0
    assert not torch.equal(model(batch)[0].hidden, model.eval()(batch)[0].hidden)


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["architecture.copy=true"], "task.subwords.joint=true"),
        (["architecture.copy=true", "architecture.attention=none"], "copy: found true, but there"),
        (["loss.coverage=1", "architecture.attention=none"], "loss.coverage: found 1.0"),
        (["decode.replace_unknown=true", "architecture.attention=none"], "looks at nothing"),
        (["decode.coverage_penalty=-1"], "decode.coverage_penalty: found -1"),
        (["loss.scheduled_sampling=2"], "loss.scheduled_sampling: found 2"),
    ],
)
def test_what_cannot_be_copied_or_covered_is_refused(overrides: list[str], said: str) -> None:
    with pytest.raises(UserError, match=said):
        compose([*CHOICES, *overrides])

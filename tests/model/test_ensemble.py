"""Networks trained side by side: independent, their probabilities averaged."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from toy_language import sentences

from seqline.config.compose import compose
from seqline.model import Ensemble, Network, SequenceModel, build_model, served_kernels
from seqline.summary import count, summarize
from seqline_plugins.build import build_task

SIZES = [
    "task.words.size=6",
    "task.affixes.size=0",
    "task.shape.size=2",
    "task.characters.size=3",
    "task.characters.hidden_size=3",
    "architecture.hidden_size=5",
]


@pytest.fixture(scope="module")
def make() -> Callable[..., tuple[SequenceModel, Any]]:
    """Make a model of so many members and a batch for it."""
    config = compose(SIZES)
    task = build_task(config["task"])
    examples = sentences(12)
    encoding = task.encoding.build(examples, task.config)
    batch = encoding.encode(examples).batch(range(6))

    def make(members: int) -> tuple[SequenceModel, Any]:
        torch.manual_seed(3)
        trainer = {**config["trainer"], "members": members}
        return build_model({**config, "trainer": trainer}, encoding).double(), batch

    return make


def test_one_member_is_a_plain_network(make) -> None:
    alone, _ = make(1)
    several, _ = make(2)
    assert isinstance(alone, Network) and isinstance(several, Ensemble)
    first = several.members[0].state_dict()
    assert all(torch.equal(value, first[name]) for name, value in alone.state_dict().items())


def test_members_start_apart_and_share_no_weight(make) -> None:
    model, _ = make(3)
    starts = [member.head.softmax.scores.weight for member in model.members]
    assert not any(torch.equal(starts[a], starts[b]) for a, b in ((0, 1), (0, 2), (1, 2)))
    places = [parameter.data_ptr() for parameter in model.parameters() if parameter.numel()]
    assert len(set(places)) == len(places)


def test_the_loss_is_the_mean_of_the_members_and_each_learns_as_if_alone(make) -> None:
    model, batch = make(3)
    model.eval()
    loss, targets = model.loss(model(batch)[0], batch)
    loss.backward()
    alone = []
    for member in model.members:
        together = {name: p.grad.clone() for name, p in member.named_parameters() if p.numel()}
        member.zero_grad()
        own, own_targets = member.loss(member(batch)[0], batch)
        own.backward()
        alone.append(own.item())
        assert int(own_targets) == int(targets)
        for name, parameter in member.named_parameters():
            if parameter.numel():
                torch.testing.assert_close(together[name], parameter.grad / 3)
    assert loss.item() == pytest.approx(sum(alone) / 3, abs=1e-10)


def test_probabilities_are_averaged_not_votes(make) -> None:
    model, _ = make(3)
    scores = torch.tensor([[0.6, 0.4], [0.6, 0.4], [0.0, 1.0]], dtype=torch.float64)
    for member, wanted in zip(model.members, scores, strict=True):
        softmax = member.head.softmax.scores
        torch.nn.init.zeros_(softmax.weight)
        torch.nn.init.constant_(softmax.bias, -50.0)
        softmax.bias.data[:2] = (wanted + 1e-9).log()
    hidden = torch.zeros(3, 2, 4, 10, dtype=torch.float64)
    assert torch.equal(model.predict(hidden), torch.ones(2, 4, dtype=torch.int64))


def test_what_is_saved_predicts_the_same(make, tmp_path) -> None:
    model, batch = make(2)
    save_file(model.state_dict(), tmp_path / "weights.safetensors")
    torch.manual_seed(99)
    other, _ = make(2)
    for parameter in other.parameters():
        torch.nn.init.zeros_(parameter)
    other.load_state_dict(load_file(tmp_path / "weights.safetensors"))
    model.eval(), other.eval()
    assert torch.equal(model.predict(model(batch)[0]), other.predict(other(batch)[0]))


def test_the_summary_tells_one_member_and_counts_all(make) -> None:
    model, _ = make(3)
    alone, _ = make(1)
    rows = summarize(model)
    assert rows[:-1] == summarize(alone)
    assert (rows[-1].part, rows[-1].made_of) == ("other members", "2 × the same")
    assert sum(row.parameters for row in rows) == count(model) == 3 * count(alone)


def test_kernels_are_told_by_part_whoever_the_member_is(make) -> None:
    assert served_kernels(make(2)[0]) == served_kernels(make(1)[0])

"""The encoder-decoder: steps and whole sequences agree, states meet, padding changes nothing."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from seqline_plugins.architectures.encoder_decoder import EncoderDecoder
from seqline_plugins.architectures.encoder_decoder.attention import Attention
from seqline_plugins.build import build_architecture
from seqline_plugins.errors import UserError

B, S, U, SOURCE, FED = 3, 5, 4, 6, 7
SOURCE_LENGTHS = torch.tensor([5, 1, 3])
LENGTHS = torch.tensor([4, 2, 1])

VARIANTS: dict[str, dict[str, Any]] = {
    "no attention": {"attention": "none"},
    "dot": {"attention": "dot", "decoder": {"hidden_size": 8}},
    "general": {"attention": "general"},
    "additive": {"attention": "additive", "attention_size": 3},
    "input feeding": {"attention": "general", "input_feeding": True},
    "coverage": {"attention": "additive", "coverage": True},
    "coverage and input feeding": {
        "attention": "additive",
        "coverage": True,
        "input_feeding": True,
    },
    "attention from the first layer": {
        "attend_from": "first",
        "decoder": {"num_layers": 3},
        "encoder": {"num_layers": 2},
    },
    "first layer, input feeding": {
        "attend_from": "first",
        "input_feeding": True,
        "decoder": {"num_layers": 2},
    },
    "one direction": {"encoder": {"bidirectional": False, "num_layers": 2}},
}
CELLS = [
    ("gru", "gru"),
    ("gru", "lstm"),
    ("lstm", "gru"),
    ("rnn", "qrnn"),
    ("qrnn", "peephole_lstm"),
    ("sru", "min_gru"),
    ("slstm", "slstm"),
]


def make(cells: tuple[str, str] = ("gru", "gru"), **options: Any) -> EncoderDecoder:
    torch.manual_seed(0)
    encoder, decoder = ({"name": name} for name in cells)
    choice = {
        "name": "encoder_decoder",
        "hidden_size": 4,
        **options,
        "encoder": {"cell": encoder, **options.get("encoder", {})},
        "decoder": {"cell": decoder, **options.get("decoder", {})},
    }
    made = build_architecture(choice, SOURCE, "auto", FED)
    assert isinstance(made, EncoderDecoder)
    return made.double()


def drawn() -> tuple[Tensor, Tensor]:
    torch.manual_seed(1)
    return (
        torch.randn(B, S, SOURCE, dtype=torch.float64),
        torch.randn(B, U, FED, dtype=torch.float64),
    )


def by_steps(network: EncoderDecoder, target: Tensor, state: Any) -> tuple[Tensor, Any]:
    outputs = []
    for t in range(target.shape[1]):
        hidden, state = network.step(target[:, t], state)
        outputs.append(hidden)
    return torch.stack(outputs, dim=1), state


def assert_same_state(found: Any, wanted: Any) -> None:
    assert found.keys() == wanted.keys()
    for name, tensor in wanted.items():
        torch.testing.assert_close(found[name], tensor, atol=1e-10, rtol=0)


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_whole_target_equals_its_steps(variant: str) -> None:
    network = make(**VARIANTS[variant]).eval()
    source, target = drawn()
    start = network.encode(source, SOURCE_LENGTHS)
    whole, after = network(target, None, start)
    stepped, last = by_steps(network, target, start)
    assert whole.shape == (B, U, network.output_size)
    torch.testing.assert_close(whole, stepped, atol=1e-10, rtol=0)
    assert_same_state(after, last)


@pytest.mark.parametrize("cells", CELLS, ids="→".join)
@pytest.mark.parametrize("feeding", [False, True])
def test_any_encoder_cell_feeds_any_decoder_cell(cells: tuple[str, str], feeding: bool) -> None:
    network = make(cells, input_feeding=feeding, decoder={"num_layers": 2}).eval()
    source, target = drawn()
    start = network.encode(source, SOURCE_LENGTHS)
    whole, after = network(target, None, start)
    stepped, last = by_steps(network, target, start)
    torch.testing.assert_close(whole, stepped, atol=1e-10, rtol=0)
    assert_same_state(after, last)


@pytest.mark.parametrize("variant", VARIANTS)
def test_padding_changes_nothing_and_states_stop_at_a_rows_last_step(variant: str) -> None:
    network = make(**VARIANTS[variant]).eval()
    source, target = drawn()
    wide = torch.cat([source, torch.full((B, 2, SOURCE), torch.nan, dtype=torch.float64)], dim=1)
    after_end = torch.arange(U) >= LENGTHS.unsqueeze(-1)
    spoilt = target.masked_fill(after_end.unsqueeze(-1), torch.nan)
    together, after = network(spoilt, LENGTHS, network.encode(wide, SOURCE_LENGTHS))
    for row in range(B):
        s, u = int(SOURCE_LENGTHS[row]), int(LENGTHS[row])
        start = network.encode(source[row : row + 1, :s])
        alone, last = network(target[row : row + 1, :u], None, start)
        torch.testing.assert_close(together[row : row + 1, :u], alone, atol=1e-10, rtol=0)
        assert bool((together[row, u:] == 0).all())
        for name, tensor in last.items():
            if name not in (*network.lasting, "coverage"):
                torch.testing.assert_close(after[name][row : row + 1], tensor, atol=1e-10, rtol=0)


def test_the_first_source_step_has_a_gradient_through_the_bridge_alone() -> None:
    network = make(attention="none")
    source, target = drawn()
    source.requires_grad_()
    hidden, _ = network(target, LENGTHS, network.encode(source, SOURCE_LENGTHS))
    hidden[:, 0].sum().backward()
    assert source.grad is not None
    assert bool((source.grad[:, 0].abs().sum(-1) > 0).all())
    assert bool((source.grad[1, 1:] == 0).all())


def test_a_decoder_starts_only_with_what_its_cell_lets_others_set() -> None:
    network, (source, _) = make(("gru", "slstm")), drawn()
    start = network.encode(100 * source, SOURCE_LENGTHS)
    assert bool((start["layer0.h"] != 0).all())
    assert not any(start[f"layer0.{name}"].any() for name in ("c", "n", "m"))


@pytest.mark.parametrize("feeding", [False, True])
def test_gradients_are_those_of_the_steps(feeding: bool) -> None:
    source, target = drawn()
    found = []
    for stepped in (False, True):
        network = make(
            input_feeding=feeding, input_dropout=0.0, output_dropout=0.0, attend_from="first"
        )
        start = network.encode(source, SOURCE_LENGTHS)
        run = by_steps(network, target, start) if stepped else network(target, None, start)
        run[0].square().sum().backward()
        found.append({name: p.grad for name, p in network.named_parameters()})
    for name, gradient in found[0].items():
        torch.testing.assert_close(gradient, found[1][name], atol=1e-10, rtol=0)


def test_no_weight_is_shared_between_encoder_and_decoder() -> None:
    network = make()
    encoder = {p.data_ptr() for p in network.encoder.parameters()}
    assert encoder.isdisjoint(p.data_ptr() for p in network.decoder.parameters() if p.numel())


def test_a_search_may_copy_drop_and_swap_rows() -> None:
    network = make(input_feeding=True).eval()
    source, target = drawn()
    rows = torch.tensor([2, 0, 0])
    start = network.encode(source, SOURCE_LENGTHS)
    _, state = network.step(target[:, 0], start)
    moved, _ = network.step(target[rows, 1], network.reorder(state, rows))
    alone, _ = network.step(target[:, 1], state)
    torch.testing.assert_close(moved, alone[rows])


def test_what_is_said_to_last_is_changed_by_no_step() -> None:
    network = make(attention="additive", coverage=True, input_feeding=True).eval()
    source, target = drawn()
    start = network.encode(source, SOURCE_LENGTHS)
    _, after = network.step(target[:, 0], start)
    changed = {name for name in start if not torch.equal(after[name], start[name])}
    assert changed == set(start) - set(network.lasting)


@pytest.mark.parametrize("feeding", [False, True])
def test_variational_dropout_drops_the_same_features_at_every_step(feeding: bool) -> None:
    network = make(variational=True, output_dropout=0.5, input_feeding=feeding, hidden_size=32)
    source, target = drawn()
    hidden, _ = network(target, None, network.encode(source))
    dropped = hidden == 0
    assert bool((dropped == dropped[:, :1]).all())
    assert 0 < int(dropped.sum()) < dropped.numel()


def test_weights_of_attention_are_shares_of_the_places_that_are_there() -> None:
    network = make(attention="additive").eval()
    source, target = drawn()
    weights = network.attend(target, None, network.encode(source, SOURCE_LENGTHS)).weights
    assert weights is not None and weights.shape == (B, U, S)
    torch.testing.assert_close(weights.sum(-1), torch.ones(B, U, dtype=torch.float64))
    there = torch.arange(S) < SOURCE_LENGTHS.unsqueeze(-1)
    assert bool((weights.masked_select(~there.unsqueeze(1).expand_as(weights)) == 0).all())


@pytest.mark.parametrize("variant", ["dot", "general", "additive", "coverage"])
def test_compiled_attention_is_torchs_for_many_rows_of_a_source(variant: str) -> None:
    network = make(**VARIANTS[variant]).eval()
    source, target = drawn()
    start = network.encode(source, SOURCE_LENGTHS)
    rows = torch.arange(B).repeat_interleave(2)
    there_once = {name: start[name] for name in network.lasting}
    start = network.reorder(start, rows) | there_once
    wide = torch.randn(2 * B, FED, dtype=torch.float64)
    found = []
    for grad in (False, True):
        with torch.set_grad_enabled(grad):
            _, state = network.step(wide, start)
            hidden, state = network.step(target[rows, 1], state)
            found.append({"hidden": hidden.detach(), **state})
    for name, tensor in found[0].items():
        torch.testing.assert_close(tensor, found[1][name], atol=1e-10, rtol=0)


def test_coverage_is_what_was_looked_at_so_far() -> None:
    network = make(attention="additive", coverage=True).eval()
    source, target = drawn()
    done = network.attend(target, None, network.encode(source, SOURCE_LENGTHS))
    assert done.weights is not None
    torch.testing.assert_close(done.state["coverage"], done.weights.sum(1))


def test_without_a_source_nothing_is_looked_at() -> None:
    network = make().eval()
    done = network.attend(drawn()[1])
    assert done.weights is not None and done.weights.shape == (B, U, 0)
    assert bool(done.hidden.isfinite().all())


def test_the_scores_are_those_of_the_papers() -> None:
    torch.manual_seed(0)
    query, memory = torch.randn(1, 2, 3), torch.randn(1, 4, 3)
    lengths = torch.tensor([4])
    for kind in ("dot", "general", "additive"):
        attention = Attention(kind, 3, 3, 5)
        context, weights = attention(query, attention.keys(memory), memory, lengths)
        for u in range(2):
            h = query[0, u]
            if kind == "dot":
                scores = memory[0] @ h
            elif kind == "general":
                scores = torch.stack([h @ attention.of_memory.weight @ m for m in memory[0]])
            else:
                of_query, of_memory = attention.of_query.weight, attention.of_memory
                inner = [of_query @ h + of_memory(m) for m in memory[0]]
                v = attention.score.weight[0]
                scores = torch.stack([v @ torch.tanh(one) for one in inner])
            torch.testing.assert_close(weights[0, u], scores.softmax(0))
            torch.testing.assert_close(context[0, u], scores.softmax(0) @ memory[0])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"attention": "dot"}, "architecture.decoder.hidden_size=8"),
        ({"attention": "none", "input_feeding": True}, "input_feeding"),
        ({"attention": "general", "coverage": True}, "additive"),
    ],
)
def test_what_cannot_go_together_is_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        make(**options)

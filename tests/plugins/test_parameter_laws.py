"""The notes' laws of a layer's matrices: two ways to write the RNN, the shapes, 1× 3× 4× 2×."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from seqline_plugins import Gate, GatedCell, Own, RecurrentStack, block_diagonal, of_matrix
from seqline_plugins.declarations import parameter_count
from seqline_plugins.recurrence.weights import GateWeights

BUILT_IN = [{"name": "rnn"}, {"name": "gru"}, {"name": "lstm"}]


def size_of(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize("kernel", ["reference", "vendor"])
@pytest.mark.parametrize("f", [torch.tanh, torch.relu])
def test_two_products_equal_one_with_the_concatenated_matrix(kernel: str, f: Any) -> None:
    """a_t = f(W_F x_t + W_R a_{t-1} + b) = f(W [x_t; a_{t-1}] + b) with W = [W_F | W_R]."""
    torch.manual_seed(0)
    cell = {"name": "rnn", "nonlinearity": f.__name__}
    stack = RecurrentStack(cell, 5, 3, kernel=kernel).double()
    weights = stack.layers[0][0].weights
    W = torch.cat([weights.W_F, weights.W_R], dim=1)
    assert W.shape == (3, 5 + 3)
    x, a = torch.randn(2, 6, 5, dtype=torch.float64), torch.zeros(2, 3, dtype=torch.float64)
    found, _ = stack(x)
    for t in range(6):
        a = f(torch.cat([x[:, t], a], dim=1) @ W.T + weights.bias)
        torch.testing.assert_close(found[:, t], a, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("cell", "gates"), zip(BUILT_IN, (1, 3, 4), strict=True))
def test_matrices_have_the_notes_shapes(cell: dict[str, Any], gates: int) -> None:
    """W_F: neurons of layer l × of layer l−1; W_R: square; b: one a neuron; a set a gate."""
    stack = RecurrentStack(cell, 7, 5, num_layers=3)
    for number, below in enumerate((7, 5, 5)):
        weights = stack.layers[number][0].weights
        assert weights.W_F.shape == (gates * 5, below)
        assert weights.W_R.shape == (gates * 5, 5)
        assert weights.bias.shape == (gates * 5,)
        assert weights.recurrent_bias.numel() == 0


@pytest.mark.parametrize("input_size", [1, 4, 9])
@pytest.mark.parametrize("hidden_size", [1, 4, 7])
def test_lstm_is_four_gru_three_and_two_directions_twice_the_rnn(
    input_size: int, hidden_size: int
) -> None:
    plain = size_of(RecurrentStack({"name": "rnn"}, input_size, hidden_size))
    assert plain == hidden_size * input_size + hidden_size * hidden_size + hidden_size
    for cell, times in zip(BUILT_IN, (1, 3, 4), strict=True):
        one = size_of(RecurrentStack(cell, input_size, hidden_size))
        both = size_of(RecurrentStack(cell, input_size, hidden_size, direction="both"))
        assert one == times * plain
        assert both == 2 * one


def test_a_second_bias_is_the_only_difference_to_torchs_layers() -> None:
    for cell, layer in zip(BUILT_IN, (torch.nn.RNN, torch.nn.GRU, torch.nn.LSTM), strict=True):
        both = RecurrentStack(cell | {"recurrent_bias": True}, 6, 5)
        assert size_of(both) == size_of(layer(6, 5))
        gates = size_of(both) - size_of(RecurrentStack(cell, 6, 5))
        assert gates == both.layers[0][0].weights.W_F.shape[0]


LAWS = {
    "mgu": lambda n, H: 2 * H * (n + H + 1),
    "peephole_lstm": lambda n, H: 4 * H * (n + H + 1) + 3 * H,
    "layer_norm_lstm": lambda n, H: 4 * H * (n + H) + 2 * 8 * H + 2 * H,
    "min_gru": lambda n, H: 2 * H * (n + 1),
    "min_lstm": lambda n, H: 3 * H * (n + 1),
    "sru": lambda n, H: 3 * H * n + 2 * H + 2 * H + (0 if n == H else H * n),
    "qrnn": lambda n, H: 3 * H * (2 * n + 1),
    "ind_rnn": lambda n, H: H * (n + 1) + H,
    "li_gru": lambda n, H: 2 * H * (n + H + 1),
    "cifg": lambda n, H: 3 * H * (n + H + 1),
    "ugrnn": lambda n, H: 2 * H * (n + H + 1),
    "fast_grnn": lambda n, H: H * (n + H) + 2 * H + 2 * H,
    "antisymmetric_rnn": lambda n, H: H * (n + H + 1),
    "slstm": lambda n, H: 4 * H * (n + H + 1),
    "unitary": lambda n, H: 2 * H * n + H,
}


@pytest.mark.parametrize("hidden_size", [1, 4, 5])
@pytest.mark.parametrize("name", LAWS)
def test_a_built_in_cell_has_the_parameters_of_its_paper(name: str, hidden_size: int) -> None:
    stack = RecurrentStack({"name": name}, 4, hidden_size)
    layer = stack.layers[0][0]
    assert size_of(stack) == LAWS[name](4, hidden_size)
    assert parameter_count(layer.cell, 4, hidden_size) == LAWS[name](4, hidden_size)


FORMS = {
    "full": ("full", 16),
    "diagonal": ("diagonal", 4),
    "none": ("none", 0),
    "block_diagonal": (block_diagonal(2), 8),
    "of_matrix": (of_matrix(lambda m: m - m.T), 16),
}


def cell_of(*gates: Gate, **own: Own) -> GatedCell:
    return type("Made", (GatedCell,), {"gates": gates, "own": own, "equations": None})()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("biases", [(True, False), (True, True), (False, True), (False, False)])
def test_the_declared_count_is_the_modules_own(form: str, biases: tuple[bool, bool]) -> None:
    recurrent, size = FORMS[form]
    gate = Gate("one", recurrent=recurrent, bias=biases[0], recurrent_bias=biases[1])
    cell = cell_of(gate, Gate("two"), peephole=Own(), gain=Own(init=1.0))
    wanted = (4 * 3 + size + sum(biases) * 4) + (4 * 3 + 16 + 4) + 2 * 4
    assert parameter_count(cell, 3, 4) == wanted
    assert size_of(GateWeights(cell, 3, 4)) == wanted


@pytest.mark.parametrize("input_size", [3, 4])
def test_gates_that_share_look_back_or_read_x_itself_are_counted_once(input_size: int) -> None:
    H = 4
    window = Gate("window", window=3, recurrent="diagonal")
    through = Gate("through", direct=True, recurrent="none", bias=False)
    cell = cell_of(window, through, Gate("again", shares="window"), Gate("plain"))
    of_window = 3 * H * input_size + H + H
    of_through = 0 if input_size == H else H * input_size
    wanted = of_window + of_through + H + (H * input_size + H * H + H)
    assert parameter_count(cell, input_size, H) == wanted
    assert size_of(GateWeights(cell, input_size, H)) == wanted


def test_a_window_is_a_causal_convolution() -> None:
    torch.manual_seed(0)
    weights = GateWeights(cell_of(Gate("short", window=2), Gate("long", window=3)), 3, 4).double()
    x = torch.randn(2, 6, 3, dtype=torch.float64)
    now, before, long_ago = weights.W_F, weights.W_F_back[0], weights.W_F_back[1]
    kernels = {
        "short": torch.stack([before[:4], now[:4]], dim=-1),
        "long": torch.stack([long_ago, before[4:], now[4:]], dim=-1),
    }
    for name, found in zip(kernels, weights.feed_forward(x).split(4, -1), strict=True):
        kernel = kernels[name]
        padded = torch.nn.functional.pad(x.mT, (kernel.shape[-1] - 1, 0))
        wanted = torch.nn.functional.conv1d(padded, kernel).mT
        torch.testing.assert_close(found, wanted)


def test_a_window_of_inputs_starts_with_the_fan_in_it_has() -> None:
    weights = GateWeights(cell_of(Gate("one", window=2), Gate("two")), 30, 40)
    (wide, plain), back = weights.W_F.split(40), weights.W_F_back[0]
    assert 0.9 < plain.abs().max() / (6 / 70) ** 0.5 <= 1
    for matrix in (wide, back):
        assert 0.9 < matrix.abs().max() / (6 / 100) ** 0.5 <= 1


def test_x_itself_is_read_where_its_size_is_the_layers() -> None:
    through = cell_of(Gate("plain"), Gate("through", direct=True, bias=False))
    x = torch.randn(2, 5, 4)
    assert torch.equal(GateWeights(through, 4, 4).feed_forward(x)[..., 4:], x)
    assert GateWeights(through, 4, 3).W_F.shape == (6, 4)


def test_a_gate_that_shares_has_the_same_parts_but_for_its_biases() -> None:
    gates = (Gate("one"), Gate("two", shares="one", bias_init=2.0, recurrent_bias=True))
    weights = GateWeights(cell_of(*gates), 3, 4)
    torch.nn.init.constant_(weights.recurrent_bias, 0.5)
    x, h = torch.randn(2, 1, 3), torch.randn(2, 4)
    t = weights.timestep(x[:, 0], weights.feed_forward(x)[:, 0], {"h": h})
    torch.testing.assert_close(t.x.two, t.x.one + 2)
    torch.testing.assert_close(t.h.two, t.h.one + 0.5)
    torch.testing.assert_close(t.recurrent("two", h), t.h.two)


@pytest.mark.parametrize(
    ("gates", "message"),
    [
        ([Gate("a", shares="c"), Gate("b")], "gate 'a': shares 'c', expected one of: b"),
        (
            [Gate("a"), Gate("b", shares="a"), Gate("c", shares="b")],
            "gate 'c': shares 'b', expected one of: a",
        ),
        ([Gate("a"), Gate("b", shares="a", window=2)], "gate 'b': it has the matrices of 'a'"),
        ([Gate("a"), Gate("b", "none", shares="a")], "gate 'b': it has the matrices of 'a'"),
        ([Gate("a", window=0)], "gate 'a': window: found 0, expected 1 input or more"),
        ([Gate("a", window=2, direct=True)], r"gate 'a': it reads x_t itself \(direct\)"),
        ([Gate("a"), Gate("a")], "two gates of one name, 'a', among a, a"),
    ],
)
def test_declarations_that_contradict_themselves_are_refused(
    gates: list[Gate], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        GateWeights(cell_of(*gates), 3, 4)


def test_a_state_with_the_name_of_the_windows_own_is_refused() -> None:
    cell = cell_of(Gate("one", window=2))
    type(cell).state = ("past_inputs",)  # type: ignore[misc, assignment]
    with pytest.raises(ValueError, match="state 'past_inputs': this name is the host's"):
        GateWeights(cell, 3, 4)


def test_parameters_of_its_own_and_biases_start_where_they_are_told() -> None:
    gates = (Gate("forget", bias_init=1.0), Gate("mute", bias=False), Gate("keep", bias_init=-2.0))
    weights = GateWeights(cell_of(*gates, gain=Own(init=3.0), drawn=Own()), 3, 4)
    assert weights.bias.tolist() == [1.0] * 4 + [-2.0] * 4
    assert weights.bias_of_all().tolist() == [1.0] * 4 + [0.0] * 4 + [-2.0] * 4
    assert weights.own["gain"].tolist() == [3.0] * 4
    assert 0 < weights.own["drawn"].abs().max() <= 0.5  # 1/√H


def test_a_gates_matrices_start_so_that_the_state_neither_grows_nor_fades() -> None:
    weights = GateWeights(cell_of(Gate("one"), Gate("two")), 3, 4)
    for recurrent, fed in zip(weights.W_R.split(4), weights.W_F.split(4), strict=True):
        torch.testing.assert_close(recurrent @ recurrent.T, torch.eye(4))
        assert 0.1 < fed.abs().max() <= (6 / (3 + 4)) ** 0.5  # Glorot & Bengio 2010


def test_the_forget_gate_of_an_lstm_can_start_open() -> None:
    stack = RecurrentStack({"name": "lstm", "forget_bias": 1.0}, 2, 3)
    assert stack.layers[0][0].weights.bias[3:6].tolist() == [1.0] * 3


def test_forms_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match="gate 'one': unknown recurrent form 'round'"):
        GateWeights(cell_of(Gate("one", recurrent="round")), 3, 4)
    with pytest.raises(ValueError, match="3 blocks do not divide hidden_size 4"):
        GateWeights(cell_of(Gate("one", recurrent=block_diagonal(3))), 3, 4)


def test_a_block_diagonal_matrix_is_the_full_one_with_zeros_outside_its_blocks() -> None:
    torch.manual_seed(0)
    form = block_diagonal(3)
    blocks, v = torch.randn(form.shape(6), dtype=torch.float64), torch.randn(2, 6).double()
    torch.testing.assert_close(form.product(blocks, v), v @ torch.block_diag(*blocks).T)


def test_an_equation_that_reads_an_unknown_gate_is_told_those_there_are() -> None:
    weights = GateWeights(cell_of(Gate("forget"), Gate("candidate")), 3, 4)
    x = torch.zeros(2, 3)
    timestep = weights.timestep(x, weights.feed_forward(x), {"h": torch.zeros(2, 4)})
    with pytest.raises(AttributeError, match="no gate 'forgte'; there are: forget, candidate"):
        _ = timestep.x.forgte
    with pytest.raises(AttributeError, match="no state 'c'; there are: h"):
        _ = timestep.state.c

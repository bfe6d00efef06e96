"""torch's own layers compute what the reference loop does, gradients included, in float64."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from networks import (
    VENDOR_CELLS,
    assert_close,
    inputs,
    random_state,
    results,
    stack_of,
    title,
    twin,
)
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from seqline_plugins import RecurrentStack

CLOSE = 1e-10
DIRECTIONS = ("forward", "backward", "both")
each_cell = pytest.mark.parametrize("cell", VENDOR_CELLS, ids=title)


@each_cell
@pytest.mark.parametrize(
    ("direction", "num_layers"), [("forward", 1), ("backward", 2), ("both", 2)]
)
def test_outputs_states_and_gradients_agree(
    cell: dict[str, Any], direction: str, num_layers: int
) -> None:
    options = {"direction": direction, "num_layers": num_layers}
    reference = stack_of(cell, kernel="reference", **options)
    vendor = twin(reference, cell, kernel="vendor", **options)
    assert (reference.served, vendor.served) == ({"reference"}, {"vendor"})
    x, state = inputs(5, 6, 3), random_state(reference, 5)
    for lengths, initial in ((None, None), ([6, 0, 1, 4, 6], state), ([2, 1, 0, 3, 2], None)):
        wanted = results(reference, x, lengths, initial)
        assert_close(results(vendor, x, lengths, initial), wanted, CLOSE)


@st.composite
def cases(draw: st.DrawFn) -> dict[str, Any]:
    size = st.sampled_from([1, 2, 3, 5, 7])
    batch, steps = draw(size), draw(size)
    lengths = st.lists(st.integers(0, steps), min_size=batch, max_size=batch)
    return {
        "cell": draw(st.sampled_from(VENDOR_CELLS)),
        "direction": draw(st.sampled_from(DIRECTIONS)),
        "num_layers": draw(st.integers(1, 2)),
        "B": batch,
        "T": steps,
        "I": draw(size),
        "H": draw(size),
        "lengths": draw(st.none() | lengths),
        "with_state": draw(st.booleans()),
        "seed": draw(st.integers(0, 10**6)),
    }


@given(cases())
@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_agreement_holds_for_any_shape(case: dict[str, Any]) -> None:
    cell, B = case["cell"], case["B"]
    options = {"direction": case["direction"], "num_layers": case["num_layers"]}
    reference = stack_of(cell, case["I"], case["H"], case["seed"], kernel="reference", **options)
    vendor = twin(reference, cell, kernel="vendor", **options)
    x = inputs(B, case["T"], case["I"], case["seed"])
    state = random_state(reference, B) if case["with_state"] else None
    wanted = results(reference, x, case["lengths"], state)
    assert_close(results(vendor, x, case["lengths"], state), wanted, CLOSE)


def torch_layer(cell: dict[str, Any], stack: RecurrentStack, directions: int) -> Any:
    """Return torch's module with a stack's weights."""
    first = stack.layers[0][0].weights
    H, L = first.hidden_size, len(stack.layers)
    kind = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}[cell["name"]]
    more = {"nonlinearity": cell["nonlinearity"]} if cell["name"] == "rnn" else {}
    made: Any = kind(
        first.input_size, H, L, batch_first=True, bidirectional=directions == 2, **more
    ).double()
    with torch.no_grad():
        for number, layers in enumerate(stack.layers):
            for layer, suffix in zip(layers, ("", "_reverse"), strict=False):
                weights, place = layer.weights, f"l{number}{suffix}"
                getattr(made, f"weight_ih_{place}").copy_(weights.W_F)
                getattr(made, f"weight_hh_{place}").copy_(weights.W_R)
                getattr(made, f"bias_ih_{place}").copy_(weights.bias_of_all())
                getattr(made, f"bias_hh_{place}").copy_(weights.recurrent_bias_of_all())
    return made


def last_of(stack: RecurrentStack, state: dict[str, Tensor], name: str) -> Tensor:
    """Return the states in torch's order, (L·D, B, H)."""
    order = [
        f"layer{number}.{direction}.{name}"
        for number in range(len(stack.layers))
        for direction in stack.directions
    ]
    return torch.stack([state[key] for key in order])


@each_cell
@pytest.mark.parametrize("kernel", ["reference", "vendor"])
@pytest.mark.parametrize("direction", ["forward", "both"])
def test_torchs_modules_agree_packed_or_not(
    cell: dict[str, Any], kernel: str, direction: str
) -> None:
    stack = stack_of(cell, direction=direction, num_layers=2, kernel=kernel)
    module = torch_layer(cell, stack, len(stack.directions))
    x, lengths = inputs(4, 7, 3), torch.tensor([7, 1, 5, 2])

    output, last = stack(x)
    wanted, states = module(x)
    torch.testing.assert_close(output, wanted, rtol=0, atol=CLOSE)
    for name, state in zip("hc", states if isinstance(states, tuple) else (states,), strict=False):
        torch.testing.assert_close(last_of(stack, last, name), state, rtol=0, atol=CLOSE)

    output, last = stack(x, lengths)
    packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
    wanted, states = module(packed)
    wanted, _ = pad_packed_sequence(wanted, batch_first=True)
    torch.testing.assert_close(output, wanted, rtol=0, atol=CLOSE)
    for name, state in zip("hc", states if isinstance(states, tuple) else (states,), strict=False):
        torch.testing.assert_close(last_of(stack, last, name), state, rtol=0, atol=CLOSE)

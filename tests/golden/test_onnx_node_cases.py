"""The ONNX package's published node cases of RNN, GRU and LSTM, as golden values for our cells.

The cases come with the package (`onnx.backend.test.case.node`): inputs and outputs as arrays.
ONNX orders the gates of a GRU z r h and of an LSTM i o f c; ours stand in torch's order. With
`linear_before_reset=0`, its default, its GRU is Cho's.
"""

from __future__ import annotations

import copy
import importlib
from typing import Any

import numpy as np
import pytest
import torch
from onnx.backend.test.case import node as onnx_cases
from onnx.backend.test.case.node.gru import GRUHelper
from onnx.helper import get_attribute_value, make_attribute

from seqline_plugins import RecurrentStack

OPERATORS = ("rnn", "gru", "lstm")
GATE_ORDER = {"RNN": [0], "GRU": [1, 0, 2], "LSTM": [0, 2, 3, 1]}  # ours ← ONNX's
PEEPHOLES = ("input", "output", "forget")  # ONNX's order
DIRECTIONS = {"forward": "forward", "reverse": "backward", "bidirectional": "both"}
CELLS: dict[str, dict[str, Any]] = {
    "RNN": {"name": "rnn", "recurrent_bias": True},
    "GRU": {"name": "gru", "recurrent_bias": True},
    "LSTM": {"name": "lstm", "recurrent_bias": True},
}


def published() -> dict[str, Any]:
    for operator in OPERATORS:
        importlib.import_module(f"onnx.backend.test.case.node.{operator}")
    cases = {case.name: case for case in onnx_cases._NodeTestCases}
    return {name: case for name, case in cases.items() if case.model.graph.node[0].op_type in CELLS}


CASES = published()


def attributes_of(node: Any) -> dict[str, Any]:
    found = {one.name: get_attribute_value(one) for one in node.attribute}
    direction = found.get("direction", b"forward")
    found["direction"] = direction.decode() if isinstance(direction, bytes) else direction
    return found


def has_peepholes(case: Any) -> bool:
    return "P" in case.model.graph.node[0].input


def load_gates(stack: RecurrentStack, kind: str, given: dict[str, np.ndarray]) -> None:
    """Copy ONNX's W (D, G·H, I), R (D, G·H, H), B (D, 2·G·H) and P (D, 3·H) in our order."""
    order, layers = GATE_ORDER[kind], stack.layers[0]

    def ordered(matrix: np.ndarray) -> torch.Tensor:
        gates = np.split(matrix, len(order))
        return torch.tensor(np.concatenate([gates[place] for place in order]))

    with torch.no_grad():
        for number, layer in enumerate(layers):
            weights = layer.weights
            if "P" in given:
                for gate, values in zip(PEEPHOLES, np.split(given["P"][number], 3), strict=True):
                    weights.own[f"peephole_{gate}"].copy_(torch.tensor(values))
            weights.W_F.copy_(ordered(given["W"][number]))
            weights.W_R.copy_(ordered(given["R"][number]))
            both = given.get("B", np.zeros((len(layers), 2 * len(weights.bias)), np.float32))
            for bias, values in zip(
                (weights.bias, weights.recurrent_bias), np.split(both[number], 2), strict=True
            ):
                bias.copy_(ordered(values))


def run_case(case: Any, kernel: str) -> dict[str, np.ndarray]:
    """Return the case's outputs as our stack computes them, in ONNX's names and layout."""
    node = case.model.graph.node[0]
    kind, attributes = node.op_type, attributes_of(node)
    (inputs, _), *_ = case.data_sets
    given = dict(zip([name for name in node.input if name], inputs, strict=True))
    batch_first = attributes.get("layout", 0) == 1
    cell = CELLS[kind]
    if kind == "GRU":
        cell = cell | {"reset_after": bool(attributes.get("linear_before_reset", 0))}
    if has_peepholes(case):
        cell = cell | {"name": "peephole_lstm"}
    x = torch.tensor(given["X"] if batch_first else given["X"].swapaxes(0, 1))
    stack = RecurrentStack(
        cell,
        x.shape[-1],
        attributes["hidden_size"],
        direction=DIRECTIONS[attributes["direction"]],
        kernel=kernel,
    )
    load_gates(stack, kind, given)
    lengths = given.get("sequence_lens")
    with torch.no_grad():
        output, last = stack(x, None if lengths is None else torch.tensor(lengths))
    by_direction = output.unflatten(-1, (len(stack.directions), -1))  # B, T, D, H
    found = {"Y": by_direction if batch_first else by_direction.permute(1, 2, 0, 3)}
    for name in "hc"[: len(last) // len(stack.directions)]:
        states = [last[f"layer0.{direction}.{name}"] for direction in stack.directions]
        found[f"Y_{name}"] = torch.stack(states, dim=1 if batch_first else 0)
    return {name: tensor.numpy() for name, tensor in found.items()}


def assert_published(case: Any, kernel: str) -> None:
    node = case.model.graph.node[0]
    found = run_case(case, kernel)
    (_, outputs), *_ = case.data_sets
    wanted = dict(zip([name for name in node.output if name], outputs, strict=True))
    assert wanted
    for name, values in wanted.items():
        assert found[name].shape == values.shape
        np.testing.assert_allclose(found[name], values, rtol=1e-5, atol=1e-6, err_msg=name)


@pytest.mark.parametrize("name", CASES)
def test_the_reference_gives_the_published_values(name: str) -> None:
    assert_published(CASES[name], "reference")


@pytest.mark.parametrize(
    "name",
    [
        name
        for name, case in CASES.items()
        if case.model.graph.node[0].op_type != "GRU" and not has_peepholes(case)
    ],
)
def test_torchs_layers_give_the_published_values(name: str) -> None:
    assert_published(CASES[name], "vendor")


def test_every_published_case_is_here() -> None:
    counts = dict.fromkeys(CELLS, 0)
    for case in CASES.values():
        counts[case.model.graph.node[0].op_type] += 1
    assert counts["RNN"] >= 4 and counts["GRU"] >= 4 and counts["LSTM"] >= 4
    assert {"test_rnn_seq_length", "test_gru_seq_length", "test_lstm_batchwise"} <= set(CASES)
    peepholes = [name for name, case in CASES.items() if has_peepholes(case)]
    assert peepholes == ["test_lstm_with_peepholes"]


@pytest.mark.parametrize(
    "name", [n for n, case in CASES.items() if case.model.graph.node[0].op_type == "GRU"]
)
@pytest.mark.parametrize("kernel", ["reference", "vendor"])
def test_the_packages_gru_with_linear_before_reset_is_torchs(name: str, kernel: str) -> None:
    """All published GRU cases are Cho's, which torch has not; the package's code does both."""
    case = copy.deepcopy(CASES[name])
    node = case.model.graph.node[0]
    attributes = attributes_of(node)
    assert attributes.get("linear_before_reset", 0) == 0
    node.attribute.append(make_attribute("linear_before_reset", 1))
    (inputs, _), *_ = case.data_sets
    given = dict(zip([one for one in node.input if one], inputs, strict=True))
    computed = GRUHelper(
        **given,
        direction=attributes["direction"],
        layout=attributes.get("layout", 0),
        linear_before_reset=1,
    ).step()
    outputs = dict(zip(("Y", "Y_h"), computed, strict=True))
    case.data_sets = [(inputs, [outputs[one] for one in node.output if one])]
    assert_published(case, kernel)

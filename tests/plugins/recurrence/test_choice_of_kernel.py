"""Which kernel serves a cell, what gives way to what, and what is said about it."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from networks import CHO, assert_close, inputs, results, stack_of, title, twin

from seqline_plugins.errors import UserError
from seqline_plugins.recurrence import kernels
from seqline_plugins.recurrence.generated import compiler


@pytest.fixture(autouse=True)
def nothing_said_yet() -> None:
    kernels._said.clear()


@pytest.mark.debian("g++")
def test_auto_generates_code_for_gated_cells() -> None:
    for cell in ({"name": "lstm"}, CHO, {"name": "ind_rnn"}):
        stack = stack_of(cell)
        stack(inputs(2, 3, 3))
        assert stack.served == {"generated"}
    assert stack_of({"name": "counter"}).served == {"reference"}


def test_what_cannot_be_traced_is_said_once_and_served_by_the_reference() -> None:
    with pytest.warns(UserWarning, match="cell Mixed: x_t itself") as said:
        for _ in range(2):
            stack = stack_of({"name": "mixed"})
            stack(inputs(2, 3, 3))
            assert stack.served == {"reference"}
    assert len(said) == 1


def test_without_a_compiler_the_vendor_or_the_reference_serves(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    without(monkeypatch, "no-such-compiler")
    for cell, other in (({"name": "lstm", "forget_bias": 0.5}, "vendor"), (CHO, "reference")):
        stack = stack_of(cell, input_size=5)
        with pytest.warns(UserWarning, match=r"no C\+\+ compiler was found \(no-such-compiler\)"):
            stack(inputs(2, 3, 5))
        assert stack.served == {other}


def without(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    from seqline_plugins.recurrence import generated
    from seqline_plugins.recurrence.generated import library

    monkeypatch.setenv("CXX", name)
    for cached in (compiler.find_compiler, library.engine):
        cached.cache_clear()
    monkeypatch.setattr(generated, "_libraries", {})


@pytest.fixture(autouse=True)
def compilers_found_anew() -> Iterator[None]:
    yield
    from seqline_plugins.recurrence.generated import library

    for cached in (compiler.find_compiler, library.engine):
        cached.cache_clear()


@pytest.mark.parametrize("cell", [CHO, {"name": "counter"}], ids=title)
def test_a_vendors_layer_that_does_not_exist_is_refused(cell: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=r"trainer\.kernel=vendor cannot serve the cell"):
        stack_of(cell, kernel="vendor")


def test_an_unknown_kernel_is_refused_with_those_there_are() -> None:
    wanted = "found 'fast', expected auto, generated, reference, scan, vendor"
    with pytest.raises(UserError, match=wanted):
        stack_of({"name": "rnn"}, kernel="fast")


def test_other_types_than_float_and_double_take_another_kernel() -> None:
    stack = stack_of({"name": "gru"}).to(torch.bfloat16)
    output, _ = stack(inputs(2, 3, 3, dtype=torch.bfloat16))
    assert output.dtype == torch.bfloat16
    assert stack.served == {"generated"}  # for the types that it knows


@pytest.mark.parametrize("direction", ["forward", "both"])
@pytest.mark.parametrize("cell", [{"name": "lstm"}, CHO], ids=title)
def test_the_gradient_of_a_gradient_is_had(cell: dict[str, Any], direction: str) -> None:
    stack = stack_of(cell, direction=direction, kernel="generated")
    lengths = torch.tensor([4, 2])
    x = inputs(2, 4, 3).requires_grad_()
    assert torch.autograd.gradgradcheck(lambda x: stack(x, lengths)[0], (x,))


def test_a_graph_may_be_gone_back_twice() -> None:
    stack, x = stack_of({"name": "lstm"}, kernel="generated"), inputs(3, 4, 3).requires_grad_()
    loss = stack(x)[0].square().sum()
    first = torch.autograd.grad(loss, x, retain_graph=True)[0]
    assert torch.equal(torch.autograd.grad(loss, x)[0], first)


def test_numbers_that_are_none_stay_where_they_are() -> None:
    reference = stack_of({"name": "gru"}, kernel="reference")
    generated = twin(reference, {"name": "gru"}, kernel="generated")
    x = inputs(4, 5, 3)
    x[1, 2, 0], x[2, 3, 1] = float("nan"), float("inf")
    wanted, found = reference(x)[0], generated(x)[0]
    assert torch.equal(wanted.isnan(), found.isnan())
    assert torch.equal(wanted.nan_to_num(7), found.nan_to_num(7)) or torch.allclose(
        wanted.nan_to_num(7), found.nan_to_num(7), rtol=0, atol=1e-12
    )


def test_expanded_sliced_and_empty_inputs_work() -> None:
    reference = stack_of({"name": "lstm"}, kernel="reference")
    generated = twin(reference, {"name": "lstm"}, kernel="generated")
    wide = inputs(4, 5, 6)
    for x in (wide[:, :, ::2], wide[:1, :, :3].expand(4, 5, 3), wide.transpose(0, 1)[:, :, :3]):
        assert_close(results(generated, x), results(reference, x), 1e-10)
    assert generated(inputs(0, 5, 3))[0].shape == (0, 5, 4)
    assert_close(
        results(generated, wide[:2, :, :3], [0, 0]),
        results(reference, wide[:2, :, :3], [0, 0]),
        1e-10,
    )


WRONG = {
    r"x: found the shape \(2, 3\), expected \(B, T, 3\)": {"x": torch.zeros(2, 3).double()},
    r"x: found the shape \(2, 3, 4\), expected \(B, T, 3\)": {"x": torch.zeros(2, 3, 4).double()},
    r"x: found torch.float32, expected torch.float64": {"x": torch.zeros(2, 3, 3)},
    r"lengths: found -1 to 3, expected 0 to T = 3": {"lengths": torch.tensor([-1, 3])},
    r"lengths: found 1 to 4, expected 0 to T = 3": {"lengths": torch.tensor([1, 4])},
    r"lengths: found \(3,\) of torch.int64, expected 2 whole": {"lengths": torch.tensor([1, 2, 3])},
    r"state: found \['h'\], expected 'layer0.forward.h'": {"state": {"h": torch.zeros(2, 4)}},
    r"state 'layer0.forward.h': found the shape \(3, 4\), expected \(2, 4\)": {
        "state": {"layer0.forward.h": torch.zeros(3, 4).double()}
    },
}


@pytest.mark.parametrize("kernel", ["generated", "reference"])
@pytest.mark.parametrize("message", WRONG)
def test_what_does_not_fit_is_named(kernel: str, message: str, shapes_unchecked: None) -> None:
    stack = stack_of({"name": "gru"}, kernel=kernel)
    given: dict[str, Any] = {"x": inputs(2, 3, 3), "lengths": None, "state": None}
    with pytest.raises(ValueError, match=message):
        stack(*(given | WRONG[message]).values())


@pytest.mark.debian("g++")
def test_nothing_is_said_where_generated_code_serves() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        stack_of({"name": "lstm"})(inputs(2, 3, 3))

"""The reference's gradients are those of finite differences, for every form of gate."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from networks import CHO, inputs, random_state, stack_of, title
from torch import Tensor
from torch.func import functional_call

NAMES = ("mixed", "blocks", "windows", "sharing", "counter", "layer_norm_lstm")
CELLS = [CHO, *({"name": name} for name in NAMES)]


@pytest.mark.parametrize("cell", CELLS, ids=title)
@pytest.mark.usefixtures("shapes_unchecked")  # hundreds of runs, all of one shape
def test_gradients_are_those_of_finite_differences(cell: dict[str, Any]) -> None:
    stack = stack_of(cell, 1, 2, kernel="reference")
    names = [name for name, p in stack.named_parameters() if p.numel()]
    parameters = [p.detach().clone().requires_grad_() for p in stack.parameters() if p.numel()]
    state = random_state(stack, 2)
    x = inputs(2, 3, 1).requires_grad_()

    def run(x: Tensor, *given: Tensor) -> tuple[Tensor, ...]:
        weights = dict(zip(names, given[: len(names)], strict=True))
        before = dict(zip(state, given[len(names) :], strict=True))
        output, after = functional_call(stack, weights, (x, torch.tensor([3, 2]), before))
        return (output, *after.values())

    assert torch.autograd.gradcheck(run, (x, *parameters, *state.values()))

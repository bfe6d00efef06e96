"""Lengths that cannot be are refused, with what was found and what was expected."""

from __future__ import annotations

import pytest
import torch
from networks import inputs, stack_of

STACK = {"cell": {"name": "gru"}, "direction": "both"}


@pytest.mark.parametrize(
    ("lengths", "message"),
    [
        (torch.tensor([1, 2, 3]), r"found \(3,\) of torch.int64, expected 2 whole numbers"),
        (torch.tensor([[1], [2]]), r"found \(2, 1\) of torch.int64"),
        (torch.tensor(2), r"found \(\) of torch.int64"),
        (torch.tensor([1.0, 2.0]), r"found \(2,\) of torch.float32"),
        (torch.tensor([-1, 2]), "found -1 to 2, expected 0 to T = 4"),
        (torch.tensor([0, 5]), "found 0 to 5, expected 0 to T = 4"),
    ],
)
@pytest.mark.usefixtures("shapes_unchecked")
def test_wrong_lengths_are_refused(lengths: torch.Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        stack_of(**STACK)(inputs(2, 4, 3), lengths)


@pytest.mark.parametrize("kernel", ["reference", "vendor"])
def test_no_time_at_all_is_refused(kernel: str) -> None:
    with pytest.raises(ValueError, match="at least one step, got T = 0"):
        stack_of(**STACK, kernel=kernel)(inputs(2, 0, 3))


def test_an_unknown_direction_is_refused() -> None:
    with pytest.raises(ValueError, match="found 'sideways', expected forward, backward or both"):
        stack_of({"name": "gru"}, direction="sideways")


def test_lengths_of_any_whole_type_serve() -> None:
    stack, x = stack_of(**STACK), inputs(2, 4, 3)
    wanted, _ = stack(x, torch.tensor([4, 2]))
    for dtype in (torch.int32, torch.int16, torch.int8):
        assert torch.equal(stack(x, torch.tensor([4, 2], dtype=dtype))[0], wanted)

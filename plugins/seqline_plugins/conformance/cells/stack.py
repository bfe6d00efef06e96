"""A built stack as the checks of a cell read it.

Letters: B batch, T time, H hidden size.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from seqline_plugins.cell import GatedCell, StepCell
from seqline_plugins.conformance.subject import CLOSE, apart
from seqline_plugins.conformance.verdict import WrongError
from seqline_plugins.recurrence import RecurrentStack
from seqline_plugins.recurrence.weights import GateWeights

LENGTHS = [5, 0, 1, 3]
"""Steps of the rows of a batch (B, T) = (4, 5)."""


def layer_of(stack: RecurrentStack) -> Any:
    """Return its first layer, in its first direction."""
    return stack.layers[0][0]  # type: ignore[index]


def gated_cell(stack: RecurrentStack) -> GatedCell:
    """Return the gated cell that it runs."""
    cell: GatedCell | StepCell = layer_of(stack).cell
    assert isinstance(cell, GatedCell)
    return cell


def weights_of(stack: RecurrentStack) -> GateWeights:
    """Return the parameters of a gated cell's gates."""
    weights: GateWeights = layer_of(stack).weights
    return weights


def random_state(stack: RecurrentStack, batch: int) -> dict[str, Tensor]:
    """Return a state of so many rows that is not zero, between 0.1 and 1."""
    draw = torch.Generator().manual_seed(7)
    return {
        name: (torch.rand(t.shape, generator=draw, dtype=torch.float64) * 0.9 + 0.1).to(t.dtype)
        for name, t in stack.initial_state(batch).items()
    }


def short_name(name: str) -> str:
    """Return the last word of a name such as "layer0.forward.h"."""
    return name.rpartition(".")[2]


def check_equal(what: str, found: Tensor, wanted: Tensor) -> None:
    """Raise `WrongError` for what differs from the whole sequence at once."""
    distance = apart(found, wanted)
    if distance > CLOSE:
        raise WrongError(
            f"{what}: {distance:.2g} from the whole sequence at once. All that goes from step to "
            "step must be in the state that is returned, and a step may know nothing else."
        )

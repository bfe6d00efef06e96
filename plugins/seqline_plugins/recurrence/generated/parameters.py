"""A layer's weights as the traced equations name them.

Letters: H hidden size.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from seqline_plugins.recurrence.generated.trace import BIAS, DIAGONAL, RECURRENT_BIAS
from seqline_plugins.recurrence.weights import GateWeights


def recurrent_matrix(weights: GateWeights, gates: Sequence[str]) -> Tensor:
    """Return the recurrent matrices of some gates, one below the other, (gates × H, H)."""
    if tuple(gates) == weights.full:
        return weights.W_R
    parts = []
    for name in gates:
        form, matrix = weights.recurrent_of(name)
        if form.name == "block_diagonal":
            parts.append(torch.block_diag(*matrix))
        else:
            parts.append(matrix if form.transform is None else form.transform(matrix))
    return torch.cat(parts) if len(parts) > 1 else parts[0]


def own_parameter(weights: GateWeights, name: str) -> Tensor:
    """Return a vector (H,): a parameter of the cell's own, a bias, a diagonal matrix."""
    if name.startswith(DIAGONAL):
        return weights.W_R_of[name.removeprefix(DIAGONAL)]
    H = weights.hidden_size
    for before, every in (
        (BIAS, weights.bias_of_all),
        (RECURRENT_BIAS, weights.recurrent_bias_of_all),
    ):
        if name.startswith(before):
            names = [gate.name for gate in weights.gates]
            place = names.index(name.removeprefix(before))
            return every()[place * H : (place + 1) * H]
    return weights.own[name]

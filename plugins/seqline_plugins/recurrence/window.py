"""The inputs before the one at hand, for gates that read a window of them.

A chunk or a single step goes on where the last one ended, so the last inputs of a row are
carried in its state, under `PAST`, oldest first, zero before the row's start.
Letters: B batch, T time, I input size, K the longest window of a cell's gates, less one.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

PAST = "past_inputs"


def earlier(
    x: Float[Tensor, "B T I"], past: Float[Tensor, "B K I"], lag: int
) -> Float[Tensor, "B T I"]:
    """Return for every step the input `lag` steps before it."""
    steps, known = x.shape[1], past.shape[1]
    return torch.cat([past, x], dim=1)[:, known - lag : known - lag + steps]


def last_inputs(
    x: Float[Tensor, "B T I"], past: Float[Tensor, "B K I"], lengths: Int[Tensor, "B"] | None
) -> Float[Tensor, "B K I"]:
    """Return the inputs that the step after each row's last one will look back on."""
    known, inputs = past.shape[1], torch.cat([past, x], dim=1)
    if lengths is None:
        return inputs[:, x.shape[1] :]
    place = lengths.to(x.device).unsqueeze(-1) + torch.arange(known, device=x.device)
    return inputs.gather(1, place.unsqueeze(-1).expand(-1, -1, x.shape[-1]))

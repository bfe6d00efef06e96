"""The bridge: from what was read to the state in which writing begins, whatever either consists of.

A GRU encoder may feed an LSTM decoder, two directions one, two layers three; an entity any cell.
Letters: B batch.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from seqline_plugins.linear import Linear
from seqline_plugins.recurrence.window import PAST

State = dict[str, Tensor]


class Bridge(nn.Module):
    """Each decoder layer's state from all of one encoder layer's: s = tanh(W e + b).

    Decoder layer l reads encoder layer l, the last one where the encoder has fewer. `sources` and
    `targets` are example states of each layer, with any number of rows, of the targets what may be
    set (`settable`); what is no floating-point tensor stays as it starts.
    """

    def __init__(self, sources: list[State], targets: list[State]) -> None:
        super().__init__()
        self.shapes = [
            {name: tuple(s.shape[1:]) for name, s in layer.items() if s.is_floating_point()}
            for layer in targets
        ]
        self.reads = [min(number, len(sources) - 1) for number in range(len(targets))]
        self.maps = nn.ModuleList(
            Linear(_size(sources[read]), sum(math.prod(s) for s in shapes.values()))
            for read, shapes in zip(self.reads, self.shapes, strict=True)
        )

    def forward(self, sources: list[State], starts: list[State]) -> list[State]:
        """Return each decoder layer's first state; `starts` are those without a source."""
        found = []
        for number, (shapes, start) in enumerate(zip(self.shapes, starts, strict=True)):
            read = _joined(sources[self.reads[number]])
            parts = self.maps[number](read).tanh().split([math.prod(s) for s in shapes.values()], 1)
            made = {
                name: part.reshape(-1, *shape).to(start[name].dtype)
                for (name, shape), part in zip(shapes.items(), parts, strict=True)
            }
            found.append({**start, **made})
        return found


def _joined(state: Mapping[str, Tensor]) -> Tensor:
    parts = [
        tensor.flatten(1)
        for name, tensor in state.items()
        if tensor.is_floating_point() and name.rpartition(".")[2] != PAST  # inputs looked back on
    ]
    return torch.cat(parts, dim=1)


def _size(state: Mapping[str, Tensor]) -> int:
    return _joined(state).shape[1]

"""The cells of torchrecurrent as cells of seqline, each under `tr_` and its name.

Their modules are used as they are, a step at a time. Every one is a `StepCell`: it gets layers,
directions, lengths, streaming and export, and no generated code.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import torch
import torchrecurrent
from torch import Tensor, nn

from seqline_plugins import StepCell

NAMES = ("h", "second", "third")


class Foreign(StepCell):
    """A module that is called as `theirs(x, state)`, its output first in what it returns.

    Where the output is one of the states, all of them go in again; where it stands apart
    (`h, (s1, s2)`), the states alone do.
    """

    theirs: ClassVar[type[nn.Module]]

    def __init__(self, config: Any, input_size: int, hidden_size: int) -> None:
        super().__init__(config, input_size, hidden_size)
        self.cell = self.theirs(input_size, hidden_size)
        with torch.no_grad():
            found = self.cell(torch.zeros(1, input_size))
        self.apart = isinstance(found, tuple) and isinstance(found[1], tuple)
        self.sizes = [part.shape[-1] for part in _flat(found)]
        self.state = NAMES[: len(self.sizes)]

    def initial_state(self, batch: int) -> dict[str, Tensor]:
        """Return zeros, as they begin with."""
        like = next(self.parameters())
        sizes = zip(self.state, self.sizes, strict=True)
        return {name: like.new_zeros(batch, size) for name, size in sizes}

    def forward(self, x_t: Tensor, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the state after x_t."""
        given = [state[name] for name in self.state]
        fed = given[1:] if self.apart else given
        found = self.cell(x_t, fed[0] if len(fed) == 1 else tuple(fed))
        return dict(zip(self.state, _flat(found), strict=True))


def _flat(found: Any) -> Iterator[Tensor]:
    if isinstance(found, Tensor):
        yield found
    else:
        for part in found:
            yield from _flat(part)


for _name in dir(torchrecurrent):
    if _name.endswith("Cell"):
        _theirs = getattr(torchrecurrent, _name)
        _about = (_theirs.__doc__ or _name).strip().splitlines()[0].replace("``", "`")[:100]
        _body = {"theirs": _theirs, "__doc__": _about, "__module__": __name__}
        globals()[_name] = type(_name, (Foreign,), _body)

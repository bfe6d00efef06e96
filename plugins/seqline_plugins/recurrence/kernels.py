"""Which code runs a cell over time: the choice stands here and nowhere else.

generated   the cell's own equations as compiled code, on a processor
vendor      torch's RNN, LSTM and GRU layers, for the cells that name one
reference   the plain loop: it serves everything
"""

from __future__ import annotations

import warnings
from typing import Any

import torch
from torch import Tensor

from seqline_plugins.cell import GatedCell, StepCell
from seqline_plugins.errors import UserError
from seqline_plugins.recurrence import reference, vendor
from seqline_plugins.recurrence.weights import GateWeights

State = dict[str, Tensor]
KERNELS = ("generated", "vendor", "reference")


def check_wanted(cell: GatedCell | StepCell, wanted: str) -> None:
    """Raise `UserError` for a kernel that does not exist, or the vendor's where it has no layer."""
    if wanted not in ("auto", *KERNELS):
        known = ", ".join(sorted(KERNELS))
        raise UserError(f"trainer.kernel: found '{wanted}', expected auto, {known}.")
    refused = vendor.refusal(cell)
    if wanted == "vendor" and refused is not None:
        name = type(cell).__name__
        raise UserError(f"trainer.kernel=vendor cannot serve the cell {name}: {refused}.")


class Kernel:
    """The code that runs one gated cell; `served` names it.

    `wanted` is one of KERNELS or "auto", the fastest that can. What cannot serve gives way to the
    next by itself, the generated code saying why, once a cell.
    """

    def __init__(self, cell: GatedCell, wanted: str) -> None:
        self.cell, self.wanted = cell, wanted
        has_layer = vendor.refusal(cell) is None
        self._otherwise = "vendor" if wanted != "reference" and has_layer else "reference"
        self.served = "generated" if wanted in ("auto", "generated") else self._otherwise
        self._programs: dict[Any, Any] = {}

    def run(
        self,
        weights: GateWeights,
        x: Tensor,
        lengths: Tensor | None,
        state: State,
        *,
        backward: bool = False,
    ) -> tuple[Tensor, State]:
        """Run the cell over (B, T, I), each row backward in time if asked, outputs in order."""
        if self.served == "generated" and _on_processor([x, *state.values()], weights):
            program = self._program(weights, x.dtype)
            if program is not None:
                return program(self.cell, weights, x, lengths, state, reverse=backward)
        name = self._otherwise if self.served == "generated" else self.served
        run = vendor.run_vendor if name == "vendor" else reference.run_gated
        if not backward:
            return run(self.cell, weights, x, lengths, state)
        output, state = run(self.cell, weights, reverse(x, lengths), lengths, state)
        return reverse(output, lengths), state

    def _program(self, weights: GateWeights, dtype: torch.dtype) -> Any:
        """Return the compiled cell, or None where it cannot be had: then another kernel serves."""
        from seqline_plugins.recurrence.generated import UnavailableError, program_for

        key = (weights.input_size, weights.hidden_size, dtype)
        if key not in self._programs:
            try:
                self._programs[key] = program_for(self.cell, *key)
            except UnavailableError as reason:
                self._programs[key] = None
                self.served = self._otherwise
                _say_once(type(self.cell), f"{reason}; the {self._otherwise} kernel serves it")
        return self._programs[key]


def _on_processor(tensors: list[Tensor], weights: GateWeights) -> bool:
    """Whether the generated code can read these: numbers on the processor, of one precision."""
    wanted = weights.W_F.dtype
    if wanted not in (torch.float32, torch.float64) or torch.is_autocast_enabled("cpu"):
        return False
    return all(t.device.type == "cpu" and t.dtype == wanted for t in tensors)


_said: set[type] = set()


def _say_once(cell: type, reason: str) -> None:
    if cell not in _said:
        _said.add(cell)
        warnings.warn(f"no code is generated for the cell {cell.__name__}: {reason}", stacklevel=2)


def reverse(x: Tensor, lengths: Tensor | None) -> Tensor:
    """Reverse each row within its length; padding stays where it is."""
    if lengths is None:
        return x.flip(1)
    steps = torch.arange(x.shape[1], device=x.device)
    place = lengths.to(x.device).unsqueeze(-1) - 1 - steps
    place = torch.where(place >= 0, place, steps)
    return x.gather(1, place.unsqueeze(-1).expand_as(x))

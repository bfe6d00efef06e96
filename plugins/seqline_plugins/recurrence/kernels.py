"""Which code runs a cell over time: the choice stands here and nowhere else.

generated   the cell's own equations as compiled code: C++ on a processor, Triton on a GPU
vendor      torch's RNN, LSTM and GRU layers, for the cells that name one
scan        all of time at once, for cells that are linear in their state
reference   the plain loop: it serves everything
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from seqline_plugins.cell import GatedCell, StepCell
from seqline_plugins.errors import UserError
from seqline_plugins.recurrence import reference, vendor
from seqline_plugins.recurrence.choice import fastest
from seqline_plugins.recurrence.weights import GateWeights

State = dict[str, Tensor]
KERNELS = ("generated", "vendor", "scan", "reference")


def check_wanted(
    cell: GatedCell | StepCell, wanted: str, input_size: int, hidden_size: int
) -> None:
    """Raise `UserError` for a kernel that does not exist, or one that cannot serve this cell."""
    if wanted not in ("auto", *KERNELS):
        known = ", ".join(sorted(KERNELS))
        raise UserError(f"trainer.kernel: found '{wanted}', expected auto, {known}.")
    refused = None
    if wanted == "vendor":
        refused = vendor.refusal(cell)
    elif wanted == "scan" and not _is_linear(cell, input_size, hidden_size):
        refused = "it is not linear in its state"
    if refused is not None:
        name = type(cell).__name__
        raise UserError(f"trainer.kernel={wanted} cannot serve the cell {name}: {refused}.")


def _is_linear(cell: GatedCell | StepCell, input_size: int, hidden_size: int) -> bool:
    from seqline_plugins.recurrence.scan import is_linear

    return isinstance(cell, GatedCell) and is_linear(cell, input_size, hidden_size)


class Kernel:
    """The code that runs one gated cell; `served` names it.

    `budget` is the number of bytes that generated code may keep for the backward pass; None keeps
    all there is, and what is not kept is computed again.

    `wanted` is one of KERNELS or "auto", the fastest that can. What cannot serve gives way to the
    next by itself, the generated code saying why, once a cell. On a GPU "auto" leaves a cell to the
    vendor's layer where there is one, until measurements there say which is faster.
    """

    def __init__(self, cell: GatedCell, wanted: str) -> None:
        self.cell, self.wanted = cell, wanted
        self.budget: int | None = None
        self.served = "generated" if wanted == "auto" else wanted
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
        precision = _precision([x, *state.values()], weights)
        if self.wanted == "auto" and x.is_cuda and vendor.refusal(self.cell) is None:
            self.served = "vendor"
        if self.served == "generated" and precision is not None:
            program = self._program(weights, precision, x.device.type)
            if program is not None:
                x, state = _as_weights(weights, x, state)
                options = {"reverse": backward, "budget": self.budget}
                return program(self.cell, weights, x, lengths, state, **options)
        run = self._other(weights, x, state)
        if not backward:
            return run(self.cell, weights, x, lengths, state)
        output, state = run(self.cell, weights, reverse(x, lengths), lengths, state)
        return reverse(output, lengths), state

    def _program(self, weights: GateWeights, precision: torch.dtype, device: str) -> Any:
        """Return the compiled cell, or None where it cannot be had: then another kernel serves."""
        from seqline_plugins.recurrence.generated import UnavailableError, program_for

        key = (weights.input_size, weights.hidden_size, precision, device)
        if key not in self._programs:
            try:
                self._programs[key] = program_for(self.cell, *key)
            except UnavailableError as reason:
                self._programs[key] = None
                self.served = "vendor" if vendor.refusal(self.cell) is None else "reference"
                _say_once(type(self.cell), f"{reason}; the {self.served} kernel serves it")
        return self._programs[key]

    def _other(self, weights: GateWeights, x: Tensor, state: State) -> Run:
        """Return what serves where no generated code does."""
        from seqline_plugins.recurrence.scan import run_scan

        if self.served == "vendor" or (
            self.served == "generated" and not vendor.refusal(self.cell)
        ):
            return vendor.run_vendor
        if self.served == "scan":
            return run_scan
        sizes = weights.input_size, weights.hidden_size
        free = self.wanted != "reference" and x.shape[1] >= LONG
        if free and _is_linear(self.cell, *sizes):
            shape = [*sizes, x.device.type, str(x.dtype), x.shape[0], x.shape[1].bit_length()]
            cell = type(self.cell)
            runs: dict[str, Run] = {"scan": run_scan, "reference": reference.run_gated}
            measures = {
                name: partial(_seconds, run, self.cell, weights, x, state)
                for name, run in runs.items()
            }
            return runs[fastest(f"{cell.__module__}.{cell.__qualname__} {shape}", measures)]
        return reference.run_gated


Run = Callable[[GatedCell, GateWeights, Tensor, Tensor | None, State], tuple[Tensor, State]]
LONG = 16
"""Steps from which on it may pay to scan."""


def _seconds(run: Run, cell: GatedCell, weights: GateWeights, x: Tensor, state: State) -> float:
    """Return how long a forward pass takes, the second time."""
    for _ in range(2):
        if x.is_cuda:
            torch.cuda.synchronize()
        started = time.perf_counter()
        with torch.no_grad():
            run(cell, weights, x, None, state)
        if x.is_cuda:
            torch.cuda.synchronize()
    return time.perf_counter() - started


def _precision(tensors: list[Tensor], weights: GateWeights) -> torch.dtype | None:
    """Return the precision in which generated code multiplies, None where there is none.

    Under autocast products are in bfloat16, all else in the weights' float32.
    """
    wanted, device = weights.W_F.dtype, weights.W_F.device.type
    if device not in ("cpu", "cuda") or any(t.device.type != device for t in tensors):
        return None
    if torch.is_autocast_enabled(device):
        half = torch.get_autocast_dtype(device)
        fits = wanted == torch.float32 and half == torch.bfloat16
        return half if fits and all(t.dtype in (wanted, half) for t in tensors) else None
    fits = wanted in (torch.float32, torch.float64) and all(t.dtype == wanted for t in tensors)
    return wanted if fits else None


def _as_weights(weights: GateWeights, x: Tensor, state: State) -> tuple[Tensor, State]:
    """Return the same in the weights' precision, which autocast may have left."""
    dtype = weights.W_F.dtype
    return x.to(dtype), {name: tensor.to(dtype) for name, tensor in state.items()}


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

"""Which code runs a cell over time: the choice stands here and nowhere else."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from seqline_plugins.cell import GatedCell, StepCell
from seqline_plugins.errors import UserError
from seqline_plugins.recurrence import reference, vendor
from seqline_plugins.recurrence.weights import GateWeights

State = dict[str, Tensor]
Run = Callable[[GatedCell, GateWeights, Tensor, Tensor | None, State], tuple[Tensor, State]]

KERNELS: dict[str, Run] = {"reference": reference.run_gated, "vendor": vendor.run_vendor}


def choose(cell: GatedCell | StepCell, wanted: str) -> str:
    """Return the kernel that serves a cell: the one wanted, or by "auto" the fastest that can.

    Raises `UserError` for a kernel that does not exist or cannot serve this cell.
    """
    if wanted not in ("auto", *KERNELS):
        raise UserError(f"trainer.kernel: found '{wanted}', expected auto, {', '.join(KERNELS)}.")
    if isinstance(cell, StepCell):
        refused: str | None = "it is a StepCell, which has no kernels"
    else:
        refused = vendor.refusal(cell)
    if wanted == "vendor" and refused is not None:
        name = type(cell).__name__
        raise UserError(f"trainer.kernel=vendor cannot serve the cell {name}: {refused}.")
    return "reference" if wanted == "reference" or refused is not None else "vendor"

"""What a cell and an architecture are both put to: another device, an exporter, many calls.

Letters: B batch, T time, I input size.
"""

from __future__ import annotations

import gc
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from seqline_plugins.conformance.verdict import WrongError, in_one_line
from seqline_plugins.errors import UserError

CALLS = 20


def run_elsewhere(run: Callable[[Tensor], Tensor], steps: int, advice: str) -> Tensor:
    """Return what `run` gives for (B, T, I) on another device, one that holds no numbers.

    Raises `WrongError` with what to do where it fails there.
    """
    x = torch.empty(3, steps, 3, dtype=torch.float64, device="meta")
    try:
        return run(x)
    except RuntimeError as error:
        raise WrongError(
            f"moved to another device it fails ({in_one_line(error, 120)}): make tensors from "
            f"those that are there, {advice}"
        ) from error


class Step(nn.Module):
    """One step of a net, its state in a row, since an exporter names tensors by their place."""

    def __init__(self, net: Any, names: tuple[str, ...]) -> None:
        super().__init__()
        self.net, self.names = net, names

    def forward(self, x_t: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        """Return the output and the next state's tensors."""
        output, after = self.net.step(x_t, dict(zip(self.names, state, strict=True)))
        return (output, *after.values())


def export_step(
    net: nn.Module, x_t: Tensor, state: Mapping[str, Tensor], *, any_batch: bool = False
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield each tensor of a step as exported, beside the step's own.

    With `any_batch` it is exported for any number of rows and run on three.
    Raises `WrongError` where torch refuses it.
    """
    step = Step(net, tuple(state))
    given = (x_t, *(tensor.detach() for tensor in state.values()))
    shapes, more = None, ""
    if any_batch:
        rows: Any = {0: torch.export.Dim("rows", min=2, max=1024)}
        shapes, more = (rows, tuple(rows for _ in state)), " or on the batch's size"
    tried = _three_rows if any_batch else tuple
    with torch.no_grad():
        step(*given)  # what fails without the exporter is not about exporting
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            exported = torch.export.export(step, given, dynamic_shapes=shapes, strict=False)
            found = exported.module()(*tried(given))
    except UserError:
        raise  # it says what is wrong itself
    except Exception as error:  # the exporter raises many kinds, all about the plugin's code
        raise WrongError(
            f"torch.export refuses a step ({type(error).__name__}: {in_one_line(error, 120)}): "
            f"let no choice depend on a tensor's values{more}."
        ) from error
    with torch.no_grad():
        wanted = step(*tried(given))
    yield from zip(found, wanted, strict=True)


def _three_rows(given: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Return a copy with three rows of each, so that what is written into is not read again."""
    return tuple(tensor[torch.arange(3) % len(tensor)] for tensor in given)


def check_memory(call: Callable[[], None], calls: str, collector: str) -> None:
    """Call again and again; raises `WrongError` where tensors live on, naming what collects."""
    more = _growth(call)
    if more >= CALLS / 2:
        raise WrongError(
            f"{more} more tensors are alive after {CALLS} more {calls}: {collector} collects what "
            "it should let go (a list on self?)."
        )


def _growth(call: Callable[[], None]) -> int:
    """Return how many more tensors are alive after the second round of calls than the first."""
    counts = []
    gc.collect()
    gc.freeze()  # what is there already is neither searched nor counted
    try:
        with torch.no_grad():
            for _ in range(2):
                for _ in range(CALLS):
                    call()
                gc.collect()
                counts.append(sum(issubclass(type(one), Tensor) for one in gc.get_objects()))
    finally:
        gc.unfreeze()
    return counts[1] - counts[0]

"""What a cell declares and returns, checked, with the place in its source where it does not fit.

The parameter law is here too, since it follows from what is declared.
"""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from seqline_plugins.cell import GatedCell, Own, StepCell, Timestep, UnknownPartError
from seqline_plugins.errors import DeclarationError
from seqline_plugins.gate import Gate, resolve


def gates_of(cell: GatedCell) -> tuple[Gate, ...]:
    """Return a cell's gates as `Gate`s; raises `DeclarationError` for those that cannot be."""
    try:
        return resolve(cell.gates)
    except DeclarationError as error:
        raise DeclarationError(f"{_declared_by(cell)}: {error}") from error


def check_settable(cell: GatedCell | StepCell) -> None:
    """Raise `DeclarationError` where a cell lets others set what is no state of it."""
    for name in cell.settable:
        if name not in cell.state:
            states = ", ".join(cell.state)
            raise DeclarationError(
                f"{_declared_by(cell)}: settable: '{name}' is no state; the cell declares {states}"
            )


def owns_of(cell: GatedCell) -> Mapping[str, Own]:
    """Return a cell's own parameters; raises `DeclarationError` for what is no `Own`."""
    own: Any
    for name, own in cell.own.items():
        if not isinstance(own, Own):
            raise DeclarationError(
                f"{_declared_by(cell)}: own: '{name}': found {own!r}, expected Own(init=…)"
            )
    return cell.own


def _declared_by(cell: GatedCell | StepCell) -> str:
    """Say where a cell's class stands, and its name."""
    kind = type(cell)
    try:
        place = f"{inspect.getsourcefile(kind)}:{inspect.getsourcelines(kind)[1]}: "
    except (OSError, TypeError):
        place = ""
    return f"{place}cell {kind.__name__}"


def new_state(cell: GatedCell, t: Timestep) -> dict[str, Tensor]:
    """Return what a cell's equations give of one timestep.

    Raises `DeclarationError`, in the words of the cell, where they do not give every state in
    the shape that it has, and `UserError` for a part that they read and the cell lacks.
    """
    try:
        new: Any = cell.equations(t)
    except UnknownPartError as error:
        place = place_of(cell, "equations", error)
        raise DeclarationError(f"{place}: {error}") from error
    return _complete(new, t.state, place_of(cell, "equations"))


def new_state_of_step(
    cell: StepCell, x_t: Tensor, state: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """Return a step cell's state after x_t; raises `DeclarationError` as `new_state` does."""
    return _complete(cell(x_t, dict(state)), state, place_of(cell, "forward"))


def _complete(new: Any, before: Mapping[str, Tensor], where: str) -> dict[str, Tensor]:
    """Return a new state that has every tensor of the one before, in its shape."""
    names = tuple(before)
    if not isinstance(new, Mapping):
        raise DeclarationError(
            f"{where}: found a {type(new).__name__} returned, expected a dict of {', '.join(names)}"
        )
    for name in new:
        if name not in names:
            raise DeclarationError(
                f"{where}: '{name}' is returned, but no state; the cell declares {', '.join(names)}"
            )
    for name in names:
        if name not in new:
            given = ", ".join(map(str, new)) or "none"
            raise DeclarationError(
                f"{where}: the state '{name}' is never set; returned are {given}, "
                f"the cell declares {', '.join(names)}"
            )
        wanted, found = before[name].shape, getattr(new[name], "shape", None)
        if found != wanted:
            shape = "no tensor" if found is None else f"the shape {tuple(found)}"
            raise DeclarationError(
                f"{where}: the new state '{name}' has {shape}, expected "
                f"(batch, hidden) = {tuple(wanted)}"
            )
    return dict(new)


def place_of(cell: GatedCell | StepCell, method: str, error: Exception | None = None) -> str:
    """Say where a method of a cell stands, or which of its file's lines raised an error."""
    code = getattr(type(cell), method).__code__
    frames = traceback.extract_tb(error.__traceback__) if error is not None else []
    lines = [frame.lineno for frame in frames if frame.filename == code.co_filename]
    line = lines[-1] if lines else code.co_firstlineno
    return f"{code.co_filename}:{line}: {method} of the cell {type(cell).__name__}"


def parameter_count(cell: GatedCell, input_size: int, hidden_size: int) -> int:
    """Return the parameters of one layer in one direction, from the declared forms.

    The parameter law: with full matrices and one bias, gates × (H × (I + H) + H).
    """
    gates = sum(gate.parameter_count(input_size, hidden_size) for gate in gates_of(cell))
    return gates + len(cell.own) * hidden_size

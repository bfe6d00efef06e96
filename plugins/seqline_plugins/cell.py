"""The cell: the equations of one timestep and nothing else.

    class RNN(GatedCell):
        gates = ("candidate",)
        state = ("h",)

        def equations(self, t):
            return {"h": torch.tanh(t.x.candidate + t.h.candidate)}

No loop, no matrix product of its own, no device, no masking: those belong to the host
(`seqline_plugins.recurrence`), which is why it can make them fast.
Letters: B batch, I input size, H hidden size.
"""

from __future__ import annotations

import inspect
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from jaxtyping import Float
from torch import Tensor, nn

from seqline_plugins.errors import DeclarationError, UserError
from seqline_plugins.gate import Gate, resolve
from seqline_plugins.options import NoOptions


class UnknownPartError(UserError, AttributeError):
    """Equations read a gate, a state or a parameter that their cell does not declare."""


def unknown_part(what: str, name: str, names: Sequence[str]) -> UnknownPartError:
    """Return the error that names what there is instead."""
    there_are = ", ".join(names) or "none"
    return UnknownPartError(f"there is no {what} '{name}'; there are: {there_are}")


def gate_called(name: str, gates: Sequence[Gate]) -> Gate:
    """Return the gate of that name; raises `UnknownPartError`."""
    for gate in gates:
        if gate.name == name:
            return gate
    raise unknown_part("gate", name, [gate.name for gate in gates])


class Parts(Mapping[str, Tensor]):
    """Tensors by name, read as attributes: `t.x.forget`, `t.state.c`; each (B, H)."""

    def __init__(self, names: tuple[str, ...], of: Callable[[str], Tensor], what: str) -> None:
        self._names, self._of, self._what = names, of, what

    def __getitem__(self, name: str) -> Tensor:
        if name not in self._names:
            raise KeyError(name)
        return self._of(name)

    def __getattr__(self, name: str) -> Tensor:
        if name.startswith("_") or name not in self._names:
            raise unknown_part(self._what, name, self._names)
        return self._of(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


@dataclass(frozen=True)
class Timestep:
    """What the equations of one timestep may read.

    x          of every gate the feed-forward part, W_F x_t + b
    h          of every gate the recurrent part, W_R h_{t-1} (+ the recurrent bias)
    state      the previous state, by the names the cell declares
    own        the cell's own parameters, by the names it declares
    noise      the cell's random draws, by the names it declares
    input      x_t itself, (B, I)
    recurrent  `t.recurrent("candidate", v)`: W_R v of that gate for another vector v, (B, H)
    """

    x: Parts
    h: Parts
    state: Parts
    own: Parts
    noise: Parts
    input: Float[Tensor, "B I"]
    recurrent: Callable[[str, Tensor], Tensor]


@dataclass(frozen=True)
class Own:
    """A parameter of the cell's own beside the gates (a peephole, a norm's gain), shape (H,).

    `init` is its value at the start; None draws it as the weights are drawn, or where there is a
    `bound` uniformly from −bound to bound.
    """

    init: float | None = None
    bound: float | None = None


@dataclass(frozen=True)
class Noise:
    """Random draws for the equations, one a unit and step: 1 with this chance, else 0.

    Drawn by the host while training, anew in every call. Outside training each is `chance`, its
    mean, so that zoneout, `n ⊙ h_{t-1} + (1 − n) ⊙ h`, needs no second form (Krueger et al. 2017).
    """

    chance: float

    def __post_init__(self) -> None:
        if not 0 <= self.chance <= 1:
            raise ValueError(f"noise: chance: found {self.chance}, expected between 0 and 1")


class GatedCell(ABC):
    """A cell that is gates over linear maps: declares them and gives one timestep's equations.

    `gates`, `state`, `settable`, `own`, `noise` and `vendor` may be plain class attributes, as
    above, or properties that read `self.config`.
    """

    Config: ClassVar[type] = NoOptions

    def __init__(self, config: Any = None) -> None:
        self.config = self.Config() if config is None else config

    @property
    @abstractmethod
    def gates(self) -> tuple[Gate | str, ...]:
        """The gates in order; a plain name is a full gate with one bias."""

    @property
    def state(self) -> tuple[str, ...]:
        """The names of the state, the output first; it starts at zero."""
        return ("h",)

    @property
    def settable(self) -> tuple[str, ...]:
        """Those of the state that may start at any number between −1 and 1.

        An encoder sets them for its decoder; the others start at zero (a sum of weights, a count).
        """
        return self.state

    @property
    def own(self) -> Mapping[str, Own]:
        """The cell's own parameters by name."""
        return {}

    @property
    def noise(self) -> Mapping[str, Noise]:
        """The cell's random draws by name."""
        return {}

    @property
    def vendor(self) -> str | None:
        """The `torch.nn` layer with the same equations and gate order, if there is one.

        One of "rnn_tanh", "rnn_relu", "lstm", "gru".
        """
        return None

    @abstractmethod
    def equations(self, t: Timestep) -> dict[str, Tensor]:
        """Return the new state from the gates' parts and the previous state, each (B, H)."""


class StepCell(nn.Module, ABC):
    """A cell that is not gates over linear maps: any module of one timestep.

    It gets everything but the fused kernels. `state` names the state, the output first;
    `hidden_size` is the output's size.
    """

    Config: ClassVar[type] = NoOptions
    state: tuple[str, ...] = ("h",)

    def __init__(self, config: Any, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.config, self.input_size, self.hidden_size = config, input_size, hidden_size

    @property
    def settable(self) -> tuple[str, ...]:
        """Those of the state that an encoder may set for its decoder, between −1 and 1."""
        return self.state

    @abstractmethod
    def initial_state(self, batch: int) -> dict[str, Tensor]:
        """Return the state before the first step, every tensor with `batch` rows."""

    @abstractmethod
    def forward(self, x_t: Float[Tensor, "B I"], state: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the state after x_t; its first name is the output, (B, H)."""


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

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

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from jaxtyping import Float
from torch import Tensor, nn

from seqline_plugins.errors import UserError
from seqline_plugins.gate import Gate
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

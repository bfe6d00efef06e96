"""The architecture: how a sequence goes in and comes out, between a task's inputs and its head.

It is built from cells by name and never sees a vocabulary.
Letters: B batch, T time, I features per step, H features out.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Literal, NamedTuple

from jaxtyping import Float, Int
from torch import Tensor, nn

from seqline_plugins.options import NoOptions

State = dict[str, Tensor]
"""Everything carried from step to step: a flat dict of named tensors, rows of the batch first."""


class Kind(NamedTuple):
    """What goes in and what comes out; a task names the kinds it fits."""

    input: Literal["sequence", "entity"]
    output: Literal["aligned", "entity", "sequence"]


class Attended(NamedTuple):
    """What a step gives and what of the input it looked at, U steps of R rows.

    hidden   (R, U, H)
    weights  (R, U, S), shares of the input's S places; 0 past its length
    state    after each row's last step
    gate     (R, U), the log-odds of writing of one's own against copying what was looked at; None
             where nothing is copied
    """

    hidden: Tensor
    weights: Tensor
    state: State
    gate: Tensor | None = None


class Architecture(nn.Module, ABC):
    """A network over time; `kind` says what goes in and out, `output_size` is H.

    A subclass is made as `cls(config, input_size, kernel)`: its checked `Config`, I, and the
    kernel that its recurrences are to use ("auto" takes the fastest that serves). One whose output
    is a sequence of its own is given `fed_size` too, the features of what it wrote the step before;
    its `encode` reads the input, its `forward` and `step` read what it wrote.

    `lasting` names what no step changes in the state (an encoder's memory). A search has several
    rows for each input, side by side; what lasts is there once for all rows of an input, so that
    `step` may be given n times as many rows as that has.
    """

    Config: ClassVar[type] = NoOptions
    kind: ClassVar[Kind]
    lasting: ClassVar[tuple[str, ...]] = ()
    output_size: int

    def __init__(
        self, config: Any, input_size: int, kernel: str = "auto", fed_size: int | None = None
    ) -> None:
        super().__init__()
        self.config, self.input_size, self.kernel = config, input_size, kernel
        self.fed_size = input_size if fed_size is None else fed_size

    @staticmethod
    def is_causal(config: Any) -> bool:
        """Say whether no output depends on a later input; asked before any data is read."""
        return True

    @staticmethod
    def is_attentive(config: Any) -> bool:
        """Say whether each step looks at the places of an input, as `attend` tells."""
        return False

    @abstractmethod
    def forward(
        self,
        features: Float[Tensor, "B T I"],
        lengths: Int[Tensor, "B"] | None = None,
        state: State | None = None,
    ) -> tuple[Tensor, State]:
        """Return the hidden sequence (B, T, H) and the state after each row's last step."""

    def encode(self, features: Tensor, lengths: Int[Tensor, "B"] | None = None) -> State:
        """Return the state before the output's first step, the input read.

        For architectures whose output is a sequence of its own.
        """
        raise NotImplementedError(f"{type(self).__name__} writes no sequence of its own")

    @abstractmethod
    def initial_state(self, batch: int) -> State:
        """Return the state before the first step."""

    @abstractmethod
    def step(
        self, features_t: Float[Tensor, "B I"], state: State
    ) -> tuple[Float[Tensor, "B H"], State]:
        """Return the hidden features of one step and the state after it (causal ones only)."""

    def attend(
        self,
        features: Float[Tensor, "R U I"],
        lengths: Int[Tensor, "R"] | None = None,
        state: State | None = None,
    ) -> Attended:
        """Return what `forward` does with what was looked at (attentive ones only)."""
        raise NotImplementedError(f"{type(self).__name__} looks at nothing")

    def coverage(self, state: State) -> Float[Tensor, "R S"]:
        """Return how much each place was looked at so far, 1 past the input's end."""
        raise NotImplementedError(f"{type(self).__name__} looks at nothing")

    def reorder(self, state: State, rows: Int[Tensor, "R"]) -> State:
        """Return the state of the chosen rows, in their order (a beam keeps, copies, drops)."""
        return {name: tensor.index_select(0, rows) for name, tensor in state.items()}

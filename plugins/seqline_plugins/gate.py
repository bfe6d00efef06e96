"""A gate: one pair of matrices [W_F | W_R] of a cell, and the forms that each may take.

Letters: B batch, I input size, H hidden size. `W_F` multiplies the input x_t, `W_R` the cell's
previous output h_{t-1}.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from seqline_plugins.errors import DeclarationError


@dataclass(frozen=True)
class Form:
    """How a gate's recurrent matrix is stored and how it multiplies a vector.

    `full` (H × H), `diagonal` (H), `none` (nothing), `block_diagonal` (n blocks of H/n × H/n);
    `transform` makes the matrix that is used from the full one that is stored.
    """

    name: str
    blocks: int = 1
    transform: Callable[[Tensor], Tensor] | None = None

    def shape(self, hidden_size: int) -> tuple[int, ...] | None:
        """Return the shape of the stored weight, or None when there is none."""
        if self.name == "none":
            return None
        if self.name == "diagonal":
            return (hidden_size,)
        if self.name == "block_diagonal":
            if hidden_size % self.blocks:
                raise DeclarationError(
                    f"{self.blocks} blocks do not divide hidden_size {hidden_size}"
                )
            width = hidden_size // self.blocks
            return (self.blocks, width, width)
        return (hidden_size, hidden_size)

    def product(self, weight: Tensor, v: Float[Tensor, "B H"]) -> Float[Tensor, "B H"]:
        """Return W_R v for every row of the batch."""
        if self.name == "diagonal":
            return weight * v
        if self.name == "block_diagonal":
            parts = v.unflatten(-1, (self.blocks, -1))
            return (weight @ parts.unsqueeze(-1)).squeeze(-1).flatten(-2)
        return F.linear(v, weight if self.transform is None else self.transform(weight))


FORMS = {name: Form(name) for name in ("full", "diagonal", "none")}


def block_diagonal(blocks: int) -> Form:
    """W_R is zero outside `blocks` square blocks on its diagonal (the heads of an sLSTM)."""
    return Form("block_diagonal", blocks=blocks)


def of_matrix(transform: Callable[[Tensor], Tensor]) -> Form:
    """W_R is a function of the stored H × H matrix M, such as M − Mᵀ − γI (AntisymmetricRNN)."""
    return Form("function", transform=transform)


@dataclass(frozen=True)
class Gate:
    """One gate: its name, what it reads of the input, the form of W_R and its biases.

    A full gate with one bias has H × (I + H) + H parameters. `recurrent_bias` adds the second
    bias of `torch.nn.GRU`, inside the recurrent part. `bias_init` sets the bias at the start
    (1.0 is usual for an LSTM's forget gate); by default it is zero.

    `window` is the number of inputs that W_F reads, x_t and those before it in the direction of
    processing, zero before the row's start: a causal convolution. `direct` reads x_t itself where
    I = H, W_F x_t elsewhere. `shares` names another gate whose W_F and W_R are this one's too,
    with its window and form; the biases stay its own.
    """

    name: str
    recurrent: Form | str = "full"
    bias: bool = True
    recurrent_bias: bool = False
    bias_init: float | None = None
    window: int = 1
    direct: bool = False
    shares: str | None = None

    @property
    def form(self) -> Form:
        """The form as an object; raises `DeclarationError` for a name that is no form."""
        if isinstance(self.recurrent, Form):
            return self.recurrent
        if self.recurrent not in FORMS:
            known = ", ".join([*FORMS, "block_diagonal(n)", "of_matrix(function)"])
            raise DeclarationError(
                f"gate '{self.name}': unknown recurrent form '{self.recurrent}'; forms: {known}"
            )
        return FORMS[self.recurrent]

    def columns(self, input_size: int, hidden_size: int) -> int:
        """Return the columns of its own W_F (H rows), 0 where it has none."""
        if self.shares is not None or (self.direct and input_size == hidden_size):
            return 0
        return self.window * input_size

    def parameter_count(self, input_size: int, hidden_size: int) -> int:
        """Return the numbers in its own W_F, W_R and biases."""
        shape = None if self.shares is not None else self.form.shape(hidden_size)
        recurrent = 0 if shape is None else math.prod(shape)
        rows = self.columns(input_size, hidden_size) + self.bias + self.recurrent_bias
        return hidden_size * rows + recurrent


def blocks_of(gates: Iterable[Gate]) -> int:
    """Return the blocks that every hidden size of these gates is a multiple of."""
    return math.lcm(*(gate.form.blocks for gate in gates))


def resolve(declared: Iterable[Gate | str]) -> tuple[Gate, ...]:
    """Return the gates declared, plain names as full gates with one bias.

    A gate that shares gets the form and the window of the one it shares with. Raises
    `DeclarationError` for a declaration that contradicts itself.
    """
    gates = [gate if isinstance(gate, Gate) else Gate(gate) for gate in declared]
    by_name = {gate.name: gate for gate in gates}
    if len(by_name) < len(gates):
        names = [gate.name for gate in gates]
        twice = next(name for name in names if names.count(name) > 1)
        raise DeclarationError(f"two gates of one name, '{twice}', among {', '.join(names)}")
    return tuple(_resolved(gate, by_name) for gate in gates)


def _resolved(gate: Gate, by_name: dict[str, Gate]) -> Gate:
    place = f"gate '{gate.name}'"
    if gate.window < 1:
        raise DeclarationError(f"{place}: window: found {gate.window}, expected 1 input or more")
    if gate.direct and gate.window > 1:
        raise DeclarationError(f"{place}: it reads x_t itself (direct), so it has no window")
    if gate.shares is None:
        return gate
    other = by_name.get(gate.shares)
    if other is None or other.shares is not None:
        able = ", ".join(name for name, one in by_name.items() if one.shares is None)
        raise DeclarationError(
            f"{place}: shares '{gate.shares}', expected one of: {able or 'none'}"
        )
    if gate.recurrent != "full" or gate.window > 1 or gate.direct:
        raise DeclarationError(
            f"{place}: it has the matrices of '{gate.shares}'; "
            "recurrent, window and direct are declared there"
        )
    return replace(gate, recurrent=other.recurrent, window=other.window, direct=other.direct)

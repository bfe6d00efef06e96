"""A gate: one pair of matrices [W_F | W_R] of a cell, and the forms that W_R may take.

Letters: B batch, H hidden size. `W_R` multiplies the cell's previous output h_{t-1}.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


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
                raise ValueError(f"{self.blocks} blocks do not divide hidden_size {hidden_size}")
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
    """One gate: its name, the form of W_R and its biases.

    A full gate with one bias has H × (I + H) + H parameters. `recurrent_bias` adds the second
    bias of `torch.nn.GRU`, inside the recurrent part. `bias_init` sets the bias at the start
    (1.0 is usual for an LSTM's forget gate); by default it is zero.
    """

    name: str
    recurrent: Form | str = "full"
    bias: bool = True
    recurrent_bias: bool = False
    bias_init: float | None = None

    @property
    def form(self) -> Form:
        """The form as an object; raises `ValueError` for a name that is no form."""
        if isinstance(self.recurrent, Form):
            return self.recurrent
        if self.recurrent not in FORMS:
            known = ", ".join([*FORMS, "block_diagonal(n)", "of_matrix(function)"])
            raise ValueError(
                f"gate '{self.name}': unknown recurrent form '{self.recurrent}'; forms: {known}"
            )
        return FORMS[self.recurrent]

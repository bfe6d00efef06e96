"""The inputs: a task's trainable start, from a batch to features.

Letters: B batch, T time, I features per step, R rows of a search, U steps of an output.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from jaxtyping import Float, Int
from torch import Tensor, nn

from seqline_plugins.task.split import Batch


class Inputs(nn.Module, ABC):
    """A task's trainable start: batch → features (B, T, I) and lengths (B,).

    A task whose output is a sequence of its own gives the features of that too, `fed_size` each:
    of what stands before each step (`targets`), and of what a search has just written
    (`feedback`).
    """

    output_size: int
    fed_size: int | None = None
    entity_size: int | None = None

    def __init__(self, config: Any, encoding: Any, kernel: str = "auto") -> None:
        super().__init__()
        self.config, self.encoding, self.kernel = config, encoding, kernel

    @abstractmethod
    def forward(self, batch: Batch) -> tuple[Float[Tensor, "B T I"], Int[Tensor, "B"]]:
        """Return the features of every step and how many steps each row has."""

    def entity(self, batch: Batch) -> Float[Tensor, "B I"]:
        """Return the features of the one entity that a whole sequence is made from.

        `entity_size` each where it is given. The first step of `forward` unless a task says
        otherwise: a first chord, a first symbol.
        """
        return self(batch)[0][:, 0]

    def targets(self, batch: Batch) -> tuple[Tensor, Int[Tensor, "B"]]:
        """Return the features of what stands before each step of the output, and its steps."""
        raise NotImplementedError(f"{type(self).__name__} gives no features of the output")

    def mixed(self, batch: Batch, predicted: Tensor, share: float) -> Batch:
        """Return a batch in which what stands before each step is, in a share of the steps, what
        the model itself would have written there (scheduled sampling, Bengio et al. 2015).
        """
        raise NotImplementedError(f"{type(self).__name__} mixes nothing into the output")

    def with_output(self, batch: Batch, tokens: Tensor) -> Batch:
        """Return a batch whose output is what was written, (B, U), filled up with ends."""
        raise NotImplementedError(f"{type(self).__name__} takes no output that was written")

    def feedback(self, sample: Tensor) -> Tensor:
        """Return the features of what was written last, (R, …) → (R, fed_size)."""
        raise NotImplementedError(f"{type(self).__name__} feeds nothing back")

"""The head: a task's trainable end, from hidden features to a distribution and its loss.

Letters: B batch, T time, H hidden features, C classes, R rows of a search.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from seqline_plugins.task.inputs import Inputs
from seqline_plugins.task.split import Batch


class Head(nn.Module, ABC):
    """A task's trainable end: hidden (B, T, H) → a distribution, with its loss.

    `loss` is the configuration's section of that name. A head that `reads_attention` is given
    `Attended` instead of hidden features where the architecture is attentive. One whose steps
    depend on each other `reads_lengths`: `predict` and `probabilities` are then given the steps of
    each row too, (B,), as `lengths`.
    """

    reads_attention: ClassVar[bool] = False
    reads_lengths: ClassVar[bool] = False

    def __init__(
        self, config: Any, encoding: Any, input_size: int, loss: Mapping[str, Any]
    ) -> None:
        super().__init__()
        self.config, self.encoding, self.input_size = config, encoding, input_size
        self.loss_options = loss

    def tie(self, inputs: Inputs) -> None:
        """Take weights from the inputs that the two ends are to share; called once."""
        return

    @abstractmethod
    def loss(self, hidden: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the summed loss in nats and how many targets it sums over."""

    def step_losses(self, hidden: Tensor, batch: Batch) -> Tensor:
        """Return the loss of every step, (B, T), 0 where none counts: `loss` before it is summed.

        For tasks that let `loss.backward` take steps or sequences by themselves.
        """
        raise NotImplementedError(f"{type(self).__name__} gives no loss of single steps")

    @abstractmethod
    def predict(self, hidden: Tensor) -> Tensor:
        """Return the most probable outputs, one a step."""

    def probabilities(self, hidden: Tensor) -> Tensor:
        """Return the probability of every class, (*B, C): what `trainer.members` averages.

        For heads whose `predict` returns the most probable class.
        """
        raise NotImplementedError(f"{type(self).__name__} gives no probabilities of classes")

    def remember(self, batch: Batch) -> dict[str, Tensor]:
        """Return what of the input each step of a search needs, a row an input; nothing mostly."""
        return {}

    def log_probabilities(self, hidden: Any, memory: Mapping[str, Tensor] | None = None) -> Tensor:
        """Return the logarithm of the probability of every class, (*B, C): what a search adds.

        `memory` is what `remember` gave, as many rows as there are inputs.
        """
        return self.probabilities(hidden).log()

    def sample(
        self, hidden: Float[Tensor, "R H"], options: Mapping[str, Any], draw: torch.Generator
    ) -> Tensor:
        """Return one sample a row, (R, …), as `Inputs.feedback` takes it.

        `options` are the section `decode`; a temperature of 0 asks for the likeliest. All chance is
        from `draw`. For tasks that generate.
        """
        raise NotImplementedError(f"{type(self).__name__} draws no samples")

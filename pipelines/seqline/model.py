"""The model: a task's inputs, an architecture, the task's head."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from seqline_plugins.architecture import Architecture
from seqline_plugins.build import build_architecture, build_task
from seqline_plugins.recurrence.layer import RecurrentLayer
from seqline_plugins.task import Batch, Encoding, Head, Inputs


class SequenceModel(nn.Module):
    """Batch → features → hidden → loss or predictions."""

    def __init__(self, inputs: Inputs, architecture: Architecture, head: Head) -> None:
        super().__init__()
        self.inputs, self.architecture, self.head = inputs, architecture, head

    def forward(self, batch: Batch) -> Tensor:
        """Return the hidden features that the head reads, (B, T, H)."""
        features, lengths = self.inputs(batch)
        hidden, _ = self.architecture(features, lengths)
        return hidden


def build_model(config: Mapping[str, Any], encoding: Encoding) -> SequenceModel:
    """Build the model that a composed configuration describes, its weights drawn anew."""
    task, kernel = build_task(config["task"]), config["trainer"]["kernel"]
    inputs = task.inputs(task.config, encoding, kernel)
    architecture = build_architecture(config["architecture"], inputs.output_size, kernel)
    head = task.head(task.config, encoding, architecture.output_size, config["loss"])
    return SequenceModel(inputs, architecture, head)


def served_kernels(model: SequenceModel) -> dict[str, str]:
    """Return which kernel serves each part's recurrences: {"architecture": "generated"}."""
    found: dict[str, set[str]] = {}
    for name, module in model.named_modules():
        if isinstance(module, RecurrentLayer):
            found.setdefault(name.split(".")[0], set()).add(module.served)
    return {part: "+".join(sorted(kernels)) for part, kernels in found.items()}

"""The model: a network of a task's inputs, an architecture and the task's head, or several.

Letters: M members, B batch, T time, H hidden features, C classes, R rows of a search.
"""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from seqline_plugins.architecture import Architecture, State
from seqline_plugins.build import build_architecture, build_task
from seqline_plugins.recurrence.layer import RecurrentLayer
from seqline_plugins.task import Batch, Encoding, Head, Inputs

_MEMBER = re.compile(r"^members\.\d+\.")


class SequenceModel(nn.Module, ABC):
    """Batch → hidden → loss or predictions."""

    @abstractmethod
    def forward(self, batch: Batch) -> Tensor:
        """Return the hidden features that the loss and the predictions are made of."""

    @abstractmethod
    def loss(self, hidden: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the summed loss in nats and how many targets it sums over."""

    @abstractmethod
    def step_losses(self, hidden: Tensor, batch: Batch) -> Tensor:
        """Return the loss of every step, (B, T): `loss` before it is summed."""

    @abstractmethod
    def predict(self, hidden: Tensor) -> Tensor:
        """Return the most probable outputs, one a step."""

    @abstractmethod
    def begin(self, batch: Batch) -> tuple[State, Tensor]:
        """Return the state before anything is written, and the length of each input, (B,)."""

    @abstractmethod
    def advance(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        """Return log-probabilities (R, C) after the tokens (R,) that were written last."""

    @abstractmethod
    def choose(self, state: State, rows: Tensor, inputs: Tensor | None = None) -> State:
        """Return the state of the chosen rows, see `seqline.decoding.search.Writer`."""


class Network(SequenceModel):
    """A task's inputs, an architecture, the task's head."""

    def __init__(self, inputs: Inputs, architecture: Architecture, head: Head) -> None:
        super().__init__()
        self.inputs, self.architecture, self.head = inputs, architecture, head

    def forward(self, batch: Batch) -> Tensor:
        """Return the hidden features that the head reads, (B, T, H)."""
        features, lengths = self.inputs(batch)
        state: State | None = None
        if self.architecture.kind.output == "sequence":
            state = self.architecture.encode(features, lengths)
            features, lengths = self.inputs.targets(batch)
        hidden, _ = self.architecture(features, lengths, state)
        return hidden

    def loss(self, hidden: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the head's loss."""
        return self.head.loss(hidden, batch)

    def step_losses(self, hidden: Tensor, batch: Batch) -> Tensor:
        """Return the head's losses."""
        return self.head.step_losses(hidden, batch)

    def predict(self, hidden: Tensor) -> Tensor:
        """Return the head's predictions."""
        return self.head.predict(hidden)

    def begin(self, batch: Batch) -> tuple[State, Tensor]:
        """Read the input."""
        features, lengths = self.inputs(batch)
        return self.architecture.encode(features, lengths), lengths

    def advance(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        """Take one step of the architecture."""
        hidden, state = self.architecture.step(self.inputs.feedback(tokens), state)
        return self.head.log_probabilities(hidden), state

    def choose(self, state: State, rows: Tensor, inputs: Tensor | None = None) -> State:
        """Reorder the architecture's state; what lasts only where inputs are left out."""
        lasting = {name: state[name] for name in self.architecture.lasting if name in state}
        moving = {name: tensor for name, tensor in state.items() if name not in lasting}
        if inputs is not None:
            lasting = self.architecture.reorder(lasting, inputs)
        return self.architecture.reorder(moving, rows) | lasting


class Ensemble(SequenceModel):
    """Networks that learn from the same batches, their probabilities averaged to predict.

    They share no weight, so that their mistakes differ (Hansen & Salamon 1990).
    """

    def __init__(self, members: Sequence[Network]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(self, batch: Batch) -> Tensor:
        """Return every member's hidden features, (M, B, T, H)."""
        return torch.stack([member(batch) for member in self.members])

    def loss(self, hidden: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the mean of the members' losses: each learns as if it were alone."""
        pairs = zip(self._networks(), hidden, strict=True)
        losses, counts = zip(*[member.loss(own, batch) for member, own in pairs], strict=True)
        return torch.stack(losses).mean(), counts[0]

    def step_losses(self, hidden: Tensor, batch: Batch) -> Tensor:
        """Return the mean of the members' losses."""
        pairs = zip(self._networks(), hidden, strict=True)
        return torch.stack([one.step_losses(own, batch) for one, own in pairs]).mean(dim=0)

    def predict(self, hidden: Tensor) -> Tensor:
        """Return the classes whose mean probability is largest."""
        pairs = zip(self._networks(), hidden, strict=True)
        each = [member.head.probabilities(own) for member, own in pairs]
        return torch.stack(each).mean(dim=0).argmax(dim=-1)

    def begin(self, batch: Batch) -> tuple[State, Tensor]:
        """Read the input with every member; their states' names begin with their number."""
        begun = [member.begin(batch) for member in self._networks()]
        return _together([state for state, _ in begun]), begun[0][1]

    def advance(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        """Return the logarithm of the members' mean probability."""
        parts = zip(self._networks(), self._apart(state), strict=True)
        scores, states = zip(*[one.advance(tokens, own) for one, own in parts], strict=True)
        mean = torch.stack(scores).logsumexp(dim=0) - math.log(len(scores))
        return mean, _together(states)

    def choose(self, state: State, rows: Tensor, inputs: Tensor | None = None) -> State:
        """Let every member choose."""
        parts = zip(self._networks(), self._apart(state), strict=True)
        return _together([one.choose(own, rows, inputs) for one, own in parts])

    def _apart(self, state: State) -> list[State]:
        return [
            {n.partition(".")[2]: t for n, t in state.items() if n.partition(".")[0] == str(number)}
            for number in range(len(self.members))
        ]

    def _networks(self) -> list[Network]:
        return list(self.members)  # type: ignore[arg-type]


def _together(states: Sequence[State]) -> State:
    return {f"{k}.{name}": t for k, state in enumerate(states) for name, t in state.items()}


def build_model(config: Mapping[str, Any], encoding: Encoding) -> SequenceModel:
    """Build the model that a composed configuration describes, its weights drawn anew."""
    members = [_network(config, encoding) for _ in range(config["trainer"].get("members", 1))]
    return members[0] if len(members) == 1 else Ensemble(members)


def _network(config: Mapping[str, Any], encoding: Encoding) -> Network:
    task, kernel = build_task(config["task"]), config["trainer"]["kernel"]
    inputs = task.inputs(task.config, encoding, kernel)
    sizes = (inputs.output_size, kernel, inputs.fed_size)
    architecture = build_architecture(config["architecture"], *sizes)
    head = task.head(task.config, encoding, architecture.output_size, config["loss"])
    head.tie(inputs)
    network = Network(inputs, architecture, head)
    for layer in recurrent_layers(network):
        layer.keep_at_most(config["trainer"]["activation_bytes"])
    return network


def recurrent_layers(model: nn.Module) -> list[RecurrentLayer]:
    """Return the recurrences in a model."""
    return [module for module in model.modules() if isinstance(module, RecurrentLayer)]


def served_kernels(model: SequenceModel) -> dict[str, str]:
    """Return which kernel serves each part's recurrences: {"architecture": "generated"}."""
    found: dict[str, set[str]] = {}
    for name, module in model.named_modules():
        if isinstance(module, RecurrentLayer):
            part = _MEMBER.sub("", name).split(".")[0]
            found.setdefault(part, set()).add(module.served)
    return {part: "+".join(sorted(kernels)) for part, kernels in found.items()}

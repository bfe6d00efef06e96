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

from seqline_plugins.architecture import Architecture, Kind, State
from seqline_plugins.build import build_architecture, build_task
from seqline_plugins.discovery import load
from seqline_plugins.recurrence.layer import RecurrentLayer
from seqline_plugins.task import Batch, Encoding, Head, Inputs

WINDOW, READ = "window", "read"
"""In the state of a model that reads a window anew: its longest length, as a shape; what it has."""
_MEMBER = re.compile(r"^members\.\d+\.")


class SequenceModel(nn.Module, ABC):
    """Batch → hidden → loss or predictions."""

    @property
    @abstractmethod
    def kind(self) -> Kind:
        """What goes in and comes out; only where outputs are aligned can steps be cut in time."""

    @abstractmethod
    def forward(self, batch: Batch, state: State | None = None) -> tuple[Tensor, State]:
        """Return the hidden features that loss and predictions are made of, and the state after.

        `state` is what an earlier window of the same rows left.
        """

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

    @abstractmethod
    def start(self, batch: Batch | None, rows: int, window: int | None = None) -> State:
        """Return the state of `rows` sequences before their first step, an entity read if any.

        `window` is how many steps a model reads anew that has one output for a whole sequence.
        """

    @abstractmethod
    def follow(self, sample: Tensor, state: State) -> tuple[Tensor, State]:
        """Return the hidden features after the samples (R, …) that stand last, and the state."""

    @abstractmethod
    def sample(self, hidden: Tensor, options: Mapping[str, Any], draw: torch.Generator) -> Tensor:
        """Return what comes next, one a row, see `seqline_plugins.task.Head.sample`."""


class Network(SequenceModel):
    """A task's inputs, an architecture, the task's head."""

    def __init__(self, inputs: Inputs, architecture: Architecture, head: Head) -> None:
        super().__init__()
        self.inputs, self.architecture, self.head = inputs, architecture, head

    @property
    def kind(self) -> Kind:
        """The architecture's."""
        return self.architecture.kind

    def forward(self, batch: Batch, state: State | None = None) -> tuple[Tensor, State]:
        """Return the hidden features that the head reads, (B, T, H), and the state after them."""
        features, lengths = self.read(batch)
        if self.architecture.kind.output == "sequence":
            state = self.architecture.encode(features, lengths)
            features, lengths = self.inputs.targets(batch)
        hidden, after = self.architecture(features, lengths, state)
        return hidden, after

    def read(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return what the architecture reads, (B, T, I), and its steps; an entity has one."""
        if self.architecture.kind.input != "entity":
            features, lengths = self.inputs(batch)
            return features, lengths
        entity = self.inputs.entity(batch)
        return entity.unsqueeze(1), torch.ones(len(entity), dtype=torch.int64, device=entity.device)

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
        features, lengths = self.read(batch)
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

    def start(self, batch: Batch | None, rows: int, window: int | None = None) -> State:
        """Return the architecture's state, or a window without steps."""
        if self.architecture.kind.output == "entity":
            return {WINDOW: torch.zeros(rows, 0, window or 1)}
        if batch is None or self.architecture.kind.output != "sequence":
            return self.architecture.initial_state(rows)
        features, lengths = self.read(batch)
        state = self.architecture.encode(features, lengths)
        return self.architecture.reorder(state, torch.zeros(rows, dtype=torch.int64))

    def follow(self, sample: Tensor, state: State) -> tuple[Tensor, State]:
        """Take one step of the architecture, or read the window again with the new sample."""
        fed = self.inputs.feedback(sample)
        if WINDOW not in state:
            return self.architecture.step(fed, state)
        before, most = state.get(READ), state[WINDOW].shape[2]
        read = fed.unsqueeze(1) if before is None else torch.cat([before, fed.unsqueeze(1)], 1)
        hidden, _ = self.architecture(read[:, -most:])
        return hidden, {**state, READ: read[:, -most:]}

    def sample(self, hidden: Tensor, options: Mapping[str, Any], draw: torch.Generator) -> Tensor:
        """Return the head's samples."""
        return self.head.sample(hidden, options, draw)


class Ensemble(SequenceModel):
    """Networks that learn from the same batches, their probabilities averaged to predict.

    They share no weight, so that their mistakes differ (Hansen & Salamon 1990).
    """

    def __init__(self, members: Sequence[Network]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    @property
    def kind(self) -> Kind:
        """The members'."""
        return self._networks()[0].kind

    def forward(self, batch: Batch, state: State | None = None) -> tuple[Tensor, State]:
        """Return every member's hidden features, (M, B, T, H), and their states."""
        before = [None] * len(self.members) if state is None else self._apart(state)
        pairs = [member(batch, own) for member, own in zip(self.members, before, strict=True)]
        hidden, states = zip(*pairs, strict=True)
        return torch.stack(hidden), _together(states)

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

    def start(self, batch: Batch | None, rows: int, window: int | None = None) -> State:
        """Return every member's state."""
        return _together([one.start(batch, rows, window) for one in self._networks()])

    def follow(self, sample: Tensor, state: State) -> tuple[Tensor, State]:
        """Let every member follow; their hidden features, (M, R, H)."""
        parts = zip(self._networks(), self._apart(state), strict=True)
        hidden, states = zip(*[one.follow(sample, own) for one, own in parts], strict=True)
        return torch.stack(hidden), _together(states)

    def sample(self, hidden: Tensor, options: Mapping[str, Any], draw: torch.Generator) -> Tensor:
        """Return the samples of a member drawn anew each time: that is their mean distribution."""
        chosen = int(torch.randint(len(self.members), (), generator=draw))
        return self._networks()[chosen].sample(hidden[chosen], options, draw)

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
    kind = load("architecture", config["architecture"]["name"]).kind
    of_entity = inputs.entity_size if kind.input == "entity" else None
    size = inputs.output_size if of_entity is None else of_entity
    fed_size = inputs.fed_size if kind.output == "sequence" else None
    architecture = build_architecture(config["architecture"], size, kernel, fed_size)
    head = task.head_for(kind)(task.config, encoding, architecture.output_size, config["loss"])
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

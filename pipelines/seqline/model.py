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

from seqline_plugins.architecture import Architecture, Attended, Kind, State
from seqline_plugins.build import build_architecture, build_task
from seqline_plugins.discovery import load
from seqline_plugins.recurrence.layer import RecurrentLayer
from seqline_plugins.task.encoding import Encoding
from seqline_plugins.task.head import Head
from seqline_plugins.task.inputs import Inputs
from seqline_plugins.task.split import Batch

WINDOW, READ = "window", "read"
"""In the state of a model that reads a window anew: its longest length, as a shape; what it has."""
_MEMBER = re.compile(r"^members\.\d+\.")


class SequenceModel(nn.Module, ABC):
    """Batch → hidden → loss or predictions."""

    @property
    @abstractmethod
    def networks(self) -> list[Network]:
        """The networks that it is made of."""

    @property
    @abstractmethod
    def kind(self) -> Kind:
        """What goes in and comes out; only where outputs are aligned can steps be cut in time."""

    @abstractmethod
    def forward(self, batch: Batch, state: State | None = None) -> tuple[Any, State]:
        """Return what loss and predictions are made of (hidden features), and the state after.

        `state` is what an earlier window of the same rows left.
        """

    @abstractmethod
    def look(self, batch: Batch) -> Tensor:
        """Return what each step of a given output looks at, (B, U, S) (attentive ones only)."""

    @abstractmethod
    def coverage(self, state: State) -> Tensor:
        """Return how much each place of the input was looked at so far, (R, S), 1 past its end."""

    @abstractmethod
    def loss(self, hidden: Any, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the summed loss in nats and how many targets it sums over."""

    @abstractmethod
    def step_losses(self, hidden: Any, batch: Batch) -> Tensor:
        """Return the loss of every step, (B, T): `loss` before it is summed."""

    @abstractmethod
    def predict(self, hidden: Any, lengths: Tensor | None = None) -> Tensor:
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
        """Return what comes next, one a row, see `seqline_plugins.Head.sample`."""


class Network(SequenceModel):
    """A task's inputs, an architecture, the task's head."""

    def __init__(self, inputs: Inputs, architecture: Architecture, head: Head) -> None:
        super().__init__()
        self.inputs, self.architecture, self.head = inputs, architecture, head
        attentive = architecture.is_attentive(architecture.config)
        self.reads_attention = attentive and head.reads_attention
        self.own_share = 0.0
        """Steps of the output that are given what the model itself writes, while training."""

    @property
    def networks(self) -> list[Network]:
        """Itself alone."""
        return [self]

    @property
    def kind(self) -> Kind:
        """The architecture's."""
        return self.architecture.kind

    def forward(self, batch: Batch, state: State | None = None) -> tuple[Any, State]:
        """Return what the head reads, (B, T, H) or `Attended`, and the state after it."""
        features, lengths = self.read(batch)
        if self.architecture.kind.output == "sequence":
            state = self.architecture.encode(features, lengths)
            if self.training and self.own_share > 0:
                batch = self._mixed(batch, state)
            features, lengths = self.inputs.targets(batch)
        return self._read(features, lengths, state)

    def look(self, batch: Batch) -> Tensor:
        """Return what each step of a given output looks at, (B, U, S)."""
        state = self.architecture.encode(*self.read(batch))
        return self.architecture.attend(*self.inputs.targets(batch), state).weights

    def _read(
        self, features: Tensor, lengths: Tensor | None, state: State | None
    ) -> tuple[Any, State]:
        if self.reads_attention:
            found = self.architecture.attend(features, lengths, state)
            return found, found.state
        hidden, after = self.architecture(features, lengths, state)
        return hidden, after

    @torch.no_grad()
    def _mixed(self, batch: Batch, state: State) -> Batch:
        """Write all steps at once from what is given, and give a share of that instead of it."""
        hidden, _ = self._read(*self.inputs.targets(batch), state)
        return self.inputs.mixed(batch, self.head.predict(hidden), self.own_share)

    def read(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return what the architecture reads, (B, T, I), and its steps; an entity has one."""
        if self.architecture.kind.input != "entity":
            features, lengths = self.inputs(batch)
            return features, lengths
        entity = self.inputs.entity(batch)
        return entity.unsqueeze(1), torch.ones(len(entity), dtype=torch.int64, device=entity.device)

    def loss(self, hidden: Any, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the head's loss."""
        return self.head.loss(hidden, batch)

    def step_losses(self, hidden: Any, batch: Batch) -> Tensor:
        """Return the head's losses."""
        return self.head.step_losses(hidden, batch)

    def predict(self, hidden: Any, lengths: Tensor | None = None) -> Tensor:
        """Return the head's predictions."""
        return self.head.predict(hidden, **self._known(lengths))

    def probabilities(self, hidden: Any, lengths: Tensor | None = None) -> Tensor:
        """Return the head's probabilities of all classes."""
        return self.head.probabilities(hidden, **self._known(lengths))

    def _known(self, lengths: Tensor | None) -> dict[str, Tensor]:
        """Return what a head reads beside the hidden features."""
        return {} if lengths is None or not self.head.reads_lengths else {"lengths": lengths}

    def begin(self, batch: Batch) -> tuple[State, Tensor]:
        """Read the input."""
        features, lengths = self.read(batch)
        remembered = {REMEMBERED + n: t for n, t in self.head.remember(batch).items()}
        return self.architecture.encode(features, lengths) | remembered, lengths

    def advance(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        """Take one step of the architecture."""
        remembered, own = _apart(state)
        fed = self.inputs.feedback(tokens)
        if self.reads_attention:
            found = self.architecture.attend(fed.unsqueeze(1), None, own)
            gate = None if found.gate is None else found.gate[:, 0]
            hidden: Any = Attended(found.hidden[:, 0], found.weights[:, 0], found.state, gate)
            own = found.state
        else:
            hidden, own = self.architecture.step(fed, own)
        memory = {name.removeprefix(REMEMBERED): tensor for name, tensor in remembered.items()}
        return self.head.log_probabilities(hidden, memory), own | remembered

    def coverage(self, state: State) -> Tensor:
        """Return how much each place of the input was looked at."""
        return self.architecture.coverage(_apart(state)[1])

    def choose(self, state: State, rows: Tensor, inputs: Tensor | None = None) -> State:
        """Reorder the architecture's state; what lasts only where inputs are left out."""
        lasting, own = _apart(state)
        lasting |= {name: own[name] for name in self.architecture.lasting if name in own}
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


REMEMBERED = "head."
"""What the head needs of the input at each step stands in the state, its names begin so."""


def _apart(state: State) -> tuple[State, State]:
    """Return what the head remembers, and the architecture's own state."""
    remembered = {name: t for name, t in state.items() if name.startswith(REMEMBERED)}
    return remembered, {name: t for name, t in state.items() if name not in remembered}


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
        return self.networks[0].kind

    def forward(self, batch: Batch, state: State | None = None) -> tuple[Any, State]:
        """Return what every member's head reads, and their states."""
        before = [None] * len(self.members) if state is None else self._apart(state)
        pairs = [member(batch, own) for member, own in zip(self.members, before, strict=True)]
        hidden, states = zip(*pairs, strict=True)
        return list(hidden), _together(states)

    def look(self, batch: Batch) -> Tensor:
        """Return the mean of what the members look at."""
        return torch.stack([member.look(batch) for member in self.networks]).mean(dim=0)

    def coverage(self, state: State) -> Tensor:
        """Return the mean of how much the members looked at each place."""
        parts = zip(self.networks, self._apart(state), strict=True)
        return torch.stack([one.coverage(own) for one, own in parts]).mean(dim=0)

    def loss(self, hidden: Any, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the mean of the members' losses: each learns as if it were alone."""
        pairs = zip(self.networks, hidden, strict=True)
        losses, counts = zip(*[member.loss(own, batch) for member, own in pairs], strict=True)
        return torch.stack(losses).mean(), counts[0]

    def step_losses(self, hidden: Any, batch: Batch) -> Tensor:
        """Return the mean of the members' losses."""
        pairs = zip(self.networks, hidden, strict=True)
        return torch.stack([one.step_losses(own, batch) for one, own in pairs]).mean(dim=0)

    def predict(self, hidden: Any, lengths: Tensor | None = None) -> Tensor:
        """Return the classes whose mean probability is largest."""
        pairs = zip(self.networks, hidden, strict=True)
        each = [member.probabilities(own, lengths) for member, own in pairs]
        return torch.stack(each).mean(dim=0).argmax(dim=-1)

    def begin(self, batch: Batch) -> tuple[State, Tensor]:
        """Read the input with every member; their states' names begin with their number."""
        begun = [member.begin(batch) for member in self.networks]
        return _together([state for state, _ in begun]), begun[0][1]

    def advance(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        """Return the logarithm of the members' mean probability."""
        parts = zip(self.networks, self._apart(state), strict=True)
        scores, states = zip(*[one.advance(tokens, own) for one, own in parts], strict=True)
        wide = torch.stack([one.double() for one in scores])  # rounds away how torch sums a tail
        mean = wide.logsumexp(dim=0) - math.log(len(scores))
        return mean.to(scores[0].dtype), _together(states)

    def choose(self, state: State, rows: Tensor, inputs: Tensor | None = None) -> State:
        """Let every member choose."""
        parts = zip(self.networks, self._apart(state), strict=True)
        return _together([one.choose(own, rows, inputs) for one, own in parts])

    def start(self, batch: Batch | None, rows: int, window: int | None = None) -> State:
        """Return every member's state."""
        return _together([one.start(batch, rows, window) for one in self.networks])

    def follow(self, sample: Tensor, state: State) -> tuple[Tensor, State]:
        """Let every member follow; their hidden features, (M, R, H)."""
        parts = zip(self.networks, self._apart(state), strict=True)
        hidden, states = zip(*[one.follow(sample, own) for one, own in parts], strict=True)
        return torch.stack(hidden), _together(states)

    def sample(self, hidden: Tensor, options: Mapping[str, Any], draw: torch.Generator) -> Tensor:
        """Return the samples of a member drawn anew each time: that is their mean distribution."""
        chosen = int(torch.randint(len(self.members), (), generator=draw))
        return self.networks[chosen].sample(hidden[chosen], options, draw)

    def _apart(self, state: State) -> list[State]:
        return [
            {n.partition(".")[2]: t for n, t in state.items() if n.partition(".")[0] == str(number)}
            for number in range(len(self.members))
        ]

    @property
    def networks(self) -> list[Network]:
        """Its members."""
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

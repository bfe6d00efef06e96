"""What is checked: a plugin's class with some of its options, and how it is built small.

Letters: B batch, T time, I input size, H hidden size.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from seqline_plugins.architecture import Architecture
from seqline_plugins.cell import GatedCell, StepCell
from seqline_plugins.conformance.verdict import WrongError
from seqline_plugins.errors import UserError
from seqline_plugins.options import build_config, slots
from seqline_plugins.recurrence import RecurrentStack

State = dict[str, Tensor]
SIZES = (5, 6, 4, 8, 16, 2, 1, 32, 64)
"""Hidden sizes, those first that show more; a cell of blocks takes one that they divide."""
CLOSE = 1e-9
"""How far apart two ways to one number may be in float64."""


class Subject:
    """A plugin and the options with which it is checked."""

    kind = ""

    def __init__(self, plugin: type[Any], options: Mapping[str, Any] | None = None) -> None:
        self.plugin, self.options = plugin, dict(options or {})

    def configured(self, **options: Any) -> Any:
        """Return the plugin's checked `Config`; raises `UserError` for values it refuses."""
        return build_config(self.plugin.Config, {**self.options, **options}, self.kind)


class CellSubject(Subject):
    """A gated cell or a step cell."""

    kind = "cell"

    @property
    def gated(self) -> bool:
        """Whether it is gates over linear maps."""
        return issubclass(self.plugin, GatedCell)

    @cached_property
    def hidden_size(self) -> int:
        """The first of `SIZES` that the cell takes; raises `WrongError` where it takes none."""
        refused: list[str] = []
        for size in SIZES:
            try:
                self.stack(3, size)
            except (UserError, ValueError) as error:
                refused.append(str(error))
            else:
                return size
        if len(set(refused)) == 1:
            raise WrongError(refused[0])  # it is not the size
        listed = ", ".join(map(str, SIZES))
        raise WrongError(f"it takes none of the hidden sizes {listed}: {refused[0]}")

    def takes(self, size: int) -> bool:
        """Say whether the cell takes a hidden size; it may refuse some with a `ValueError`."""
        try:
            self.stack(3, size)
        except (UserError, ValueError):
            return False
        return True

    def stack(
        self,
        input_size: int = 3,
        hidden_size: int | None = None,
        *,
        seed: int = 0,
        options: Mapping[str, Any] | None = None,
        **stacked: Any,
    ) -> RecurrentStack:
        """Return the cell as the host runs it, in float64, by the reference if not told else."""
        torch.manual_seed(seed)
        choice = {"name": self.plugin, **self.options, **(options or {})}
        size = self.hidden_size if hidden_size is None else hidden_size
        stacked = {"kernel": "reference", **stacked}
        return RecurrentStack(choice, input_size, size, **stacked).double().eval()


class ArchitectureSubject(Subject):
    """An architecture, its cell slots filled by a built-in cell."""

    kind = "architecture"
    SMALL = {"hidden_size": 6, "num_layers": 2}

    def build(
        self,
        input_size: int = 3,
        *,
        seed: int = 0,
        cell: Any = None,
        kernel: str = "reference",
        **options: Any,
    ) -> Architecture:
        """Return the architecture small and in float64."""
        torch.manual_seed(seed)
        config = self.small_config(cell=cell, **options)
        fed = {"fed_size": input_size} if self.writes else {}
        made: Architecture = self.plugin(config, input_size, kernel, **fed)
        return made.double().eval()

    def small_config(self, *, cell: Any = None, **options: Any) -> Any:
        """Return a small configuration, every cell slot filled."""
        names = set(self.plugin.Config.__dataclass_fields__)
        small = {name: size for name, size in self.SMALL.items() if name in names}
        config = self.configured(**{**small, **options})
        fill_slots(config, cell or {"name": "lstm"})
        return config

    @property
    def writes(self) -> bool:
        """Whether its output is a sequence of its own."""
        return bool(self.plugin.kind.output == "sequence")

    @property
    def is_causal(self) -> bool:
        """Whether it is causal with the options that it is checked with."""
        return bool(self.plugin.is_causal(self.small_config()))

    def causal_options(self) -> dict[str, Any] | None:
        """Return options with which it is causal, None where it never is."""
        names = set(self.plugin.Config.__dataclass_fields__)
        for options in ({}, {"bidirectional": False}):
            if set(options) <= names and self.plugin.is_causal(self.small_config(**options)):
                return options
        return None

    def steps(self, wanted: int) -> int:
        """Return how many steps its input has: an entity is one."""
        return 1 if self.plugin.kind.input == "entity" else wanted


class TaskSubject(Subject):
    """A task; what it learns from is read once, by the checks of `tasks`."""

    kind = "task"


def subject_of(plugin: type[Any], options: Mapping[str, Any] | None = None) -> Subject:
    """Return the subject of a plugin's class, of whatever kind it is."""
    if issubclass(plugin, GatedCell | StepCell):
        return CellSubject(plugin, options)
    if issubclass(plugin, Architecture):
        return ArchitectureSubject(plugin, options)
    return TaskSubject(plugin, options)


def fill_slots(config: Any, choice: Any) -> None:
    """Put one choice, a cell's, into every slot of a configuration."""
    for place in slots(type(config)):
        *outer, last = place.split(".")
        holder = config
        for part in outer:
            holder = getattr(holder, part)
        setattr(holder, last, choice)


def inputs(batch: int, steps: int, size: int, seed: int = 3) -> Tensor:
    """Return random numbers (B, T, I) in float64, the same for the same arguments."""
    draw = torch.Generator().manual_seed(seed)
    return torch.randn(batch, steps, size, generator=draw, dtype=torch.float64)


def apart(found: Tensor, wanted: Tensor) -> float:
    """Return the largest distance between two tensors of one shape; NaN equals NaN only."""
    if found.shape != wanted.shape:
        return float("inf")
    if not found.numel():
        return 0.0
    distance = (found.detach().double() - wanted.detach().double()).abs()
    same = found.isnan() & wanted.isnan()
    worst = distance.masked_fill(same, 0).max()
    return float("inf") if bool(worst.isnan()) else float(worst)


def worst(found: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> tuple[str, float]:
    """Return the name of what is furthest apart and how far."""
    distances = {name: apart(found[name], wanted[name]) for name in wanted}
    name = max(distances, key=lambda one: distances[one], default="")
    return name, distances.get(name, 0.0)


def learn(
    net: nn.Module,
    x: Tensor,
    lengths: Sequence[int] | None = None,
    state: State | None = None,
) -> dict[str, Tensor]:
    """Return outputs, last states and the gradients of a loss that reads them all.

    A step's weight in the loss depends on its place from the row's start alone, so that more
    padding or other rows leave a row's gradients as they are.
    """
    net.zero_grad()
    x = x.detach().clone().requires_grad_()
    given = {k: v.detach().clone() for k, v in (state or {}).items()}
    for tensor in given.values():
        tensor.requires_grad_(tensor.is_floating_point())
    bounds = None if lengths is None else torch.tensor(lengths)
    output, last = net(x, bounds, given or None)
    places = torch.arange(1, output[0].numel() + 1, dtype=x.dtype).view_as(output[0])
    loss = (output * torch.cos(places)).sum()
    for number, tensor in enumerate(last.values(), start=2):
        if tensor.is_floating_point() and tensor.requires_grad and tensor.numel():
            units = torch.arange(1, tensor[0].numel() + 1, dtype=x.dtype).view_as(tensor[0])
            loss = loss + (tensor * torch.sin(units * number)).sum()
    loss.backward()
    found = {"output": output, "gradient of x": _gradient(x)}
    found |= {f"last state {name}": tensor for name, tensor in last.items()}
    found |= {f"gradient of {name}": _gradient(p) for name, p in net.named_parameters()}
    found |= {f"gradient of state {name}": _gradient(tensor) for name, tensor in given.items()}
    return {name: tensor.detach() for name, tensor in found.items()}


def _gradient(tensor: Tensor) -> Tensor:
    return torch.zeros_like(tensor) if tensor.grad is None else tensor.grad

"""Layers and directions: what an architecture builds its networks from.

Letters: B batch, T time, I input size, H hidden size, L layers, D directions.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from seqline_plugins.build import Choice
from seqline_plugins.dropout import drop
from seqline_plugins.recurrence.layer import RecurrentLayer

State = dict[str, Tensor]
DIRECTIONS = ("forward", "backward")


class RecurrentStack(nn.Module):
    """A cell × L layers × D directions, both directions' outputs concatenated (D·H).

    `cell` is what a slot holds, `{"name": "gru"}` and options; a cell's class serves in tests.
    `direction` is "forward", "backward" or "both"; `dropout` is the share of a layer's outputs
    that is dropped before the next layer, while training (`variational`: the same ones at every
    step). The state is a flat dict,
    "layer0.forward.h" and so on, each tensor (B, H).
    """

    def __init__(
        self,
        cell: Choice,
        input_size: int,
        hidden_size: int,
        *,
        num_layers: int = 1,
        direction: str = "forward",
        dropout: float = 0.0,
        variational: bool = False,
        kernel: str = "auto",
    ) -> None:
        super().__init__()
        if direction not in (*DIRECTIONS, "both"):
            raise ValueError(f"direction: found '{direction}', expected forward, backward or both")
        self.directions = DIRECTIONS if direction == "both" else (direction,)
        self.dropout, self.variational = dropout, variational
        self.output_size = hidden_size * len(self.directions)
        self.layers = nn.ModuleList()
        for number in range(num_layers):
            size = self.output_size if number else input_size
            self.layers.append(
                nn.ModuleList(
                    RecurrentLayer(
                        cell, size, hidden_size, backward=name == "backward", kernel=kernel
                    )
                    for name in self.directions
                )
            )

    @classmethod
    def of(cls, config: Any, input_size: int, kernel: str = "auto") -> RecurrentStack:
        """Build one from options by their usual names; those that `config` lacks are as above.

        `cell`, `hidden_size`, `num_layers`, `bidirectional`, `dropout`, `variational`.
        """
        return cls(
            config.cell,
            input_size,
            config.hidden_size,
            num_layers=config.num_layers,
            direction="both" if getattr(config, "bidirectional", False) else "forward",
            dropout=getattr(config, "dropout", 0.0),
            variational=getattr(config, "variational", False),
            kernel=kernel,
        )

    @property
    def is_causal(self) -> bool:
        """Whether no output depends on a later input."""
        return self.directions == ("forward",)

    @property
    def served(self) -> set[str]:
        """The kernels that serve the layers."""
        return {layer.served for _, _, layer in self._each()}

    def initial_state(self, batch: int) -> State:
        """Return the state before the first step, `batch` rows."""
        return {
            f"layer{number}.{direction}.{name}": tensor
            for number, direction, layer in self._each()
            for name, tensor in layer.initial_state(batch).items()
        }

    def settable(self, state: State) -> State:
        """Return the part of a state that another network may set before the first step."""
        return {
            f"layer{number}.{direction}.{name}": state[f"layer{number}.{direction}.{name}"]
            for number, direction, layer in self._each()
            for name in layer.cell.settable
        }

    def forward(
        self,
        x: Float[Tensor, "B T I"],
        lengths: Int[Tensor, "B"] | None = None,
        state: State | None = None,
    ) -> tuple[Float[Tensor, "B T DH"], State]:
        """Return all outputs, zero past each row's length, and the state after its last step.

        `state` hands in what an earlier chunk's call returned. Raises `ValueError` for inputs,
        states or lengths of another shape, type or device, naming what was found.
        """
        self._check(x, state)
        if lengths is not None:
            lengths = _checked(lengths, x)
            valid = torch.arange(x.shape[1], device=x.device) < lengths.unsqueeze(-1)
            x = x.masked_fill(~valid.unsqueeze(-1), 0)  # whatever stands in the padding
        state = self.initial_state(x.shape[0]) if state is None else state
        after: State = {}
        for number, directions in enumerate(self.layers):
            if number and self.dropout:
                x = drop(x, self.dropout, self.training, self.variational)
            layers = list(directions)  # type: ignore[call-overload]
            states = [_part(state, f"layer{number}.{name}.") for name in self.directions]
            pairs = zip(layers, states, strict=True)
            results = [layer(x, lengths, before) for layer, before in pairs]
            for name, (_, last) in zip(self.directions, results, strict=True):
                after |= {f"layer{number}.{name}.{key}": value for key, value in last.items()}
            outputs = [output for output, _ in results]
            x = torch.cat(outputs, dim=-1) if len(outputs) > 1 else outputs[0]
        return x, after

    def _check(self, x: Tensor, state: State | None) -> None:
        first: Any = self.layers[0][0]  # type: ignore[index]
        if x.dim() != 3 or x.shape[-1] != first.input_size:
            found = tuple(x.shape)
            raise ValueError(f"x: found the shape {found}, expected (B, T, {first.input_size})")
        like = next(self.parameters(), None)
        if like is None:
            return
        if x.dtype != like.dtype and not torch.is_autocast_enabled(x.device.type):
            raise ValueError(f"x: found {x.dtype}, expected {like.dtype} as the weights have")
        if x.device != like.device:
            raise ValueError(f"x: found on {x.device}, expected on {like.device}")
        if state is not None:
            _check_state(state, self.initial_state(x.shape[0]))

    def step(self, x_t: Float[Tensor, "B I"], state: State) -> tuple[Float[Tensor, "B H"], State]:
        """Return the output of one timestep and the state after it; the forward direction only."""
        if not self.is_causal:
            raise ValueError("a backward direction reads the future: it has no single step")
        after: State = {}
        for number, _, layer in self._each():
            if number and self.dropout:
                x_t = drop(x_t, self.dropout, self.training)
            prefix = f"layer{number}.forward."
            x_t, last = layer.step(x_t, _part(state, prefix))
            after |= {prefix + key: value for key, value in last.items()}
        return x_t, after

    def _each(self) -> list[tuple[int, str, RecurrentLayer]]:
        return [
            (number, name, layer)
            for number, layers in enumerate(self.layers)
            for name, layer in zip(self.directions, layers, strict=True)  # type: ignore[call-overload]
        ]


def _part(state: State, prefix: str) -> State:
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in state.items()
        if name.startswith(prefix)
    }


def _check_state(state: State, wanted: State) -> None:
    for name, like in wanted.items():
        if name not in state:
            raise ValueError(f"state: found {sorted(state)}, expected '{name}' among them")
        found = state[name]
        if found.shape != like.shape:
            shapes = f"{tuple(found.shape)}, expected {tuple(like.shape)}"
            raise ValueError(f"state '{name}': found the shape {shapes}")
        if found.device != like.device:
            raise ValueError(f"state '{name}': found on {found.device}, expected on {like.device}")


def _checked(lengths: Tensor, x: Tensor) -> Tensor:
    B, T = x.shape[:2]
    if lengths.shape != (B,) or lengths.dtype.is_floating_point:
        found = f"{tuple(lengths.shape)} of {lengths.dtype}"
        raise ValueError(f"lengths: found {found}, expected {B} whole numbers, one a row")
    if B and (int(lengths.min()) < 0 or int(lengths.max()) > T):
        found = f"{int(lengths.min())} to {int(lengths.max())}"
        raise ValueError(f"lengths: found {found}, expected 0 to T = {T}")
    return lengths.to(x.device, torch.int64)

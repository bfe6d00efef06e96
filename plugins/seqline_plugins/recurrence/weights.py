"""The parameters of one gated cell in one direction.

W_F of all gates stands in one matrix (G·H × I), W_R of the full gates in another, in the gates'
order, which is torch's layout: one product serves all gates. What W_F does to the inputs before
x_t, in gates with a window, stands in a matrix of its own for each step back.
Letters: B batch, T time, I input size, H hidden size, G gates.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from seqline_plugins.cell import GatedCell, Parts, Timestep, gate_called
from seqline_plugins.declarations import gates_of, owns_of
from seqline_plugins.gate import Form
from seqline_plugins.recurrence.window import PAST, earlier


class GateWeights(nn.Module):
    """W_F, W_R, the biases and the cell's own parameters.

    Each gate's W_F starts uniform by Glorot & Bengio (2010), its full W_R orthogonal (Saxe et
    al. 2014), so that a state neither grows nor fades at first; biases start at zero or at the
    gate's `bias_init`, all else at U(−1/√H, 1/√H).
    """

    def __init__(self, cell: GatedCell, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.input_size, self.hidden_size = input_size, hidden_size
        self.gates = gates_of(cell)
        H = hidden_size
        names = tuple(gate.name for gate in self.gates)
        owning = tuple(gate for gate in self.gates if gate.shares is None)
        self.owner = {gate.name: gate.shares or gate.name for gate in self.gates}
        """The gate whose matrices each gate has: its own, unless it shares another's."""
        self.fed = tuple(gate for gate in owning if gate.columns(input_size, H))
        """The gates with rows in W_F, in their order."""
        self.in_order = tuple(gate.name for gate in self.fed) == names
        self.full = tuple(gate.name for gate in owning if gate.form.name == "full")
        """The gates with rows in W_R, in their order."""
        self.window = max((gate.window for gate in self.fed), default=1)
        if self.window > 1 and PAST in cell.state:
            raise ValueError(f"state '{PAST}': this name is the host's, in a cell with a window")
        self.W_F = nn.Parameter(torch.empty(len(self.fed) * H, input_size))
        self.W_F_back = nn.ParameterList(
            torch.empty(sum(gate.window > lag for gate in self.fed) * H, input_size)
            for lag in range(1, self.window)
        )
        self.W_R = nn.Parameter(torch.empty(len(self.full) * H, H))
        shapes = {gate.name: gate.form.shape(H) for gate in owning}
        self.W_R_of = nn.ParameterDict(
            {name: torch.empty(s) for name, s in shapes.items() if s and name not in self.full}
        )
        self.bias = nn.Parameter(torch.empty(sum(gate.bias for gate in self.gates) * H))
        self.recurrent_bias = nn.Parameter(
            torch.empty(sum(gate.recurrent_bias for gate in self.gates) * H)
        )
        self.own = nn.ParameterDict({name: torch.empty(H) for name in owns_of(cell)})
        self.noise = dict(cell.noise)
        self._draw(cell)

    @torch.no_grad()
    def _draw(self, cell: GatedCell) -> None:
        size, H = self.input_size, self.hidden_size
        bound = 1 / math.sqrt(H)
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -bound, bound)
        for lag, matrices in enumerate([self.W_F, *self.W_F_back]):
            gates = [gate for gate in self.fed if gate.window > lag]
            for gate, matrix in zip(gates, matrices.split(H), strict=False):
                gain = math.sqrt((size + H) / (gate.window * size + H))  # it reads more inputs
                nn.init.xavier_uniform_(matrix, gain=gain)
        for matrix in self.W_R.split(H):
            nn.init.orthogonal_(matrix)
        nn.init.zeros_(self.recurrent_bias)
        biased = [gate for gate in self.gates if gate.bias]
        for gate, bias in zip(biased, self.bias.split(H), strict=False):
            bias.fill_(0.0 if gate.bias_init is None else gate.bias_init)
        for name, own in cell.own.items():
            if own.init is not None:
                nn.init.constant_(self.own[name], own.init)
            elif own.bound is not None:
                nn.init.uniform_(self.own[name], -own.bound, own.bound)

    def bias_of_all(self) -> Tensor:
        """Return the feed-forward bias of all gates, (G·H,), zero where a gate has none."""
        return self._spread(self.bias, tuple(gate.bias for gate in self.gates))

    def recurrent_bias_of_all(self) -> Tensor:
        """Return the recurrent bias of all gates, (G·H,), zero where a gate has none."""
        return self._spread(self.recurrent_bias, tuple(gate.recurrent_bias for gate in self.gates))

    def _spread(self, given: Tensor, has: tuple[bool, ...]) -> Tensor:
        """Return `given`, H columns for each gate that `has` some, with zeros for the others."""
        if all(has):
            return given
        if not any(has):
            return given.new_zeros(len(has) * self.hidden_size)
        parts = iter(given.split(self.hidden_size, -1))
        absent = given.new_zeros(*given.shape[:-1], self.hidden_size)
        return torch.cat([next(parts) if one else absent for one in has], dim=-1)

    def initial_past(self, batch: int) -> dict[str, Tensor]:
        """Return the inputs before a row's start, under `PAST`: zeros; nothing without windows."""
        if self.window == 1:
            return {}
        return {PAST: self.W_F.new_zeros(batch, self.window - 1, self.input_size)}

    def feed_forward(
        self, x: Float[Tensor, "*B I"], state: Mapping[str, Tensor] | None = None
    ) -> Float[Tensor, "*B GH"]:
        """Return W_F x + b of all gates, x itself for a gate that reads it.

        Gates with a window need x as (B, T, I) and the inputs before it, (B, k−1, I), which
        `state` holds under `PAST`; without a state they are zero.
        """
        product = F.linear(x, self.W_F, self.bias_of_all() if self.in_order else None)
        if self.window > 1:
            past = (state or self.initial_past(len(x)))[PAST]
            for lag, matrix in enumerate(self.W_F_back, start=1):
                part = F.linear(earlier(x, past, lag), matrix)
                product = product + self._spread(part, tuple(g.window > lag for g in self.fed))
        if self.in_order:
            return product
        columns = product.split(self.hidden_size, -1)
        parts = {gate.name: part for gate, part in zip(self.fed, columns, strict=False)}
        every = [parts.get(self.owner[gate.name], x) for gate in self.gates]
        return torch.cat(every, dim=-1) + self.bias_of_all()

    def windows(self, x: Float[Tensor, "B T I"], state: Mapping[str, Tensor]) -> Tensor:
        """Return what `matrix_of_fed` multiplies: x_t and, with windows, the inputs before it."""
        if self.window == 1:
            return x
        lags = range(1, self.window)
        return torch.cat([x, *(earlier(x, state[PAST], lag) for lag in lags)], dim=-1)

    def feed_of_program(
        self, x: Float[Tensor, "B T I"], state: Mapping[str, Tensor]
    ) -> tuple[Float[Tensor, "B T H"], ...]:
        """Return the feed-forward part of every gate with rows in W_F."""
        product = F.linear(self.windows(x, state), self.matrix_of_fed(), self.bias_of_fed())
        return product.split(self.hidden_size, -1) if self.fed else ()

    def matrix_of_fed(self) -> Float[Tensor, "FH kI"]:
        """Return all that multiplies inputs: W_F, to its right what multiplies those before x_t."""
        if self.window == 1:
            return self.W_F
        parts: list[Tensor] = [self.W_F]
        for lag, matrix in enumerate(self.W_F_back, start=1):
            has = tuple(gate.window > lag for gate in self.fed)
            parts.append(self._spread(matrix.T, has).T)
        return torch.cat(parts, dim=1)

    def bias_of_fed(self) -> Float[Tensor, "FH"]:
        """Return the biases beside `matrix_of_fed`, zero for gates that share their matrices."""
        if self.in_order:
            return self.bias_of_all()
        shared = {gate.shares for gate in self.gates}
        names = [gate.name for gate in self.gates]
        every = self.bias_of_all().split(self.hidden_size)
        parts = [every[names.index(gate.name)] for gate in self.fed]
        zero = [torch.zeros_like(part) for part in parts]
        chosen = [
            z if g.name in shared else p for g, p, z in zip(self.fed, parts, zero, strict=True)
        ]
        return torch.cat(chosen) if chosen else self.bias.new_zeros(0)

    def recurrent_of(self, name: str) -> tuple[Form, Tensor]:
        """Return the form and the stored recurrent weights of a gate that has some."""
        owner, H = self.owner[name], self.hidden_size
        form = gate_called(owner, self.gates).form
        if owner not in self.full:
            return form, self.W_R_of[owner]
        place = self.full.index(owner)
        return form, self.W_R[place * H : (place + 1) * H]

    def draw_noise(self, x: Float[Tensor, "B T I"]) -> dict[str, Float[Tensor, "B T H"]]:
        """Return the cell's random draws for every step of x; their means outside training."""
        shape = (*x.shape[:2], self.hidden_size)
        if not self.training:
            return {
                name: x.new_tensor(one.chance).expand(shape) for name, one in self.noise.items()
            }
        return {name: x.new_empty(shape).bernoulli_(one.chance) for name, one in self.noise.items()}

    def timestep(
        self,
        x_t: Float[Tensor, "B I"],
        fed: Float[Tensor, "B GH"],
        state: dict[str, Tensor],
        noise: Mapping[str, Float[Tensor, "B H"]] | None = None,
    ) -> Timestep:
        """Return what a cell's equations read at one step.

        `fed` and `noise` are what `feed_forward(x)` and `draw_noise(x)` gave for that step.
        """
        names = tuple(gate.name for gate in self.gates)
        parts = dict(zip(names, fed.split(self.hidden_size, -1), strict=True))
        previous, drawn = next(iter(state.values())), dict(noise or {})
        recurrent = _Recurrent(self, previous)
        return Timestep(
            x=Parts(names, parts.__getitem__, "gate"),
            h=Parts(names, recurrent.of_previous, "gate"),
            state=Parts(tuple(state), state.__getitem__, "state"),
            own=Parts(tuple(self.own), self.own.__getitem__, "own parameter"),
            noise=Parts(tuple(drawn), drawn.__getitem__, "noise"),
            input=x_t,
            recurrent=recurrent.product,
        )


class _Recurrent:
    """W_R v by gate; the products with the previous output are made together, when first read."""

    def __init__(self, weights: GateWeights, previous: Tensor) -> None:
        self.weights, self.previous = weights, previous
        self.ready: dict[str, Tensor] = {}
        biases = weights.recurrent_bias_of_all().split(weights.hidden_size)
        self.bias = {
            gate.name: bias
            for gate, bias in zip(weights.gates, biases, strict=True)
            if gate.recurrent_bias
        }

    def of_previous(self, name: str) -> Tensor:
        owner = self.weights.owner[name]
        if owner in self.weights.full and not self.ready:
            products = F.linear(self.previous, self.weights.W_R).split(self.weights.hidden_size, -1)
            self.ready = dict(zip(self.weights.full, products, strict=True))
        if owner in self.ready:
            return self._biased(name, self.ready[owner])
        return self.product(name, self.previous)

    def product(self, name: str, v: Tensor) -> Tensor:
        if gate_called(name, self.weights.gates).form.name == "none":
            return self._biased(name, torch.zeros_like(v))
        form, matrix = self.weights.recurrent_of(name)
        return self._biased(name, form.product(matrix, v))

    def _biased(self, name: str, product: Tensor) -> Tensor:
        return product + self.bias[name] if name in self.bias else product

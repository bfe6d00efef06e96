"""The parameters of one gated cell in one direction.

W_F of all gates stands in one matrix (G·H × I), W_R of the full gates in another, in the gates'
order, which is torch's layout: one product serves all gates.
Letters: B batch, T time, I input size, H hidden size, G gates.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from seqline_plugins.cell import GatedCell, Parts, Timestep, gates_of


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
        self.full = tuple(gate.name for gate in self.gates if gate.form.name == "full")
        H = hidden_size
        self.W_F = nn.Parameter(torch.empty(len(self.gates) * H, input_size))
        self.W_R = nn.Parameter(torch.empty(len(self.full) * H, H))
        shapes = {gate.name: gate.form.shape(H) for gate in self.gates}
        self.W_R_of = nn.ParameterDict(
            {name: torch.empty(s) for name, s in shapes.items() if s and name not in self.full}
        )
        self.bias = nn.Parameter(torch.empty(sum(gate.bias for gate in self.gates) * H))
        self.recurrent_bias = nn.Parameter(
            torch.empty(sum(gate.recurrent_bias for gate in self.gates) * H)
        )
        self.own = nn.ParameterDict({name: torch.empty(H) for name in cell.own})
        self._draw(cell)

    @torch.no_grad()
    def _draw(self, cell: GatedCell) -> None:
        H, bound = self.hidden_size, 1 / math.sqrt(self.hidden_size)
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -bound, bound)
        for matrix in self.W_F.split(H):
            nn.init.xavier_uniform_(matrix)
        for matrix in self.W_R.split(H):
            nn.init.orthogonal_(matrix)
        nn.init.zeros_(self.recurrent_bias)
        biased = [gate for gate in self.gates if gate.bias]
        for gate, bias in zip(biased, self.bias.split(H), strict=False):
            bias.fill_(0.0 if gate.bias_init is None else gate.bias_init)
        for name, own in cell.own.items():
            if own.init is not None:
                nn.init.constant_(self.own[name], own.init)

    def bias_of_all(self) -> Tensor:
        """Return the feed-forward bias of all gates, (G·H,), zero where a gate has none."""
        return self._spread(self.bias, tuple(gate.bias for gate in self.gates))

    def recurrent_bias_of_all(self) -> Tensor:
        """Return the recurrent bias of all gates, (G·H,), zero where a gate has none."""
        return self._spread(self.recurrent_bias, tuple(gate.recurrent_bias for gate in self.gates))

    def _spread(self, bias: Tensor, has: tuple[bool, ...]) -> Tensor:
        if all(has):
            return bias
        if not any(has):
            return bias.new_zeros(len(has) * self.hidden_size)
        given = iter(bias.split(self.hidden_size))
        absent = bias.new_zeros(self.hidden_size)
        return torch.cat([next(given) if one else absent for one in has])

    def feed_forward(self, x: Float[Tensor, "*B I"]) -> Float[Tensor, "*B GH"]:
        """Return W_F x + b of all gates."""
        return F.linear(x, self.W_F, self.bias_of_all())

    def timestep(
        self, x_t: Float[Tensor, "B I"], fed: Float[Tensor, "B GH"], state: dict[str, Tensor]
    ) -> Timestep:
        """Return what a cell's equations read at one step; `fed` is `feed_forward(x_t)`."""
        names = tuple(gate.name for gate in self.gates)
        parts = dict(zip(names, fed.split(self.hidden_size, -1), strict=True))
        previous = next(iter(state.values()))
        recurrent = _Recurrent(self, previous)
        return Timestep(
            x=Parts(names, parts.__getitem__, "gate"),
            h=Parts(names, recurrent.of_previous, "gate"),
            state=Parts(tuple(state), state.__getitem__, "state"),
            own=Parts(tuple(self.own), self.own.__getitem__, "parameter of its own"),
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
        if name in self.weights.full and not self.ready:
            products = F.linear(self.previous, self.weights.W_R).split(self.weights.hidden_size, -1)
            self.ready = dict(zip(self.weights.full, products, strict=True))
        if name in self.ready:
            return self._biased(name, self.ready[name])
        return self.product(name, self.previous)

    def product(self, name: str, v: Tensor) -> Tensor:
        weights = self.weights
        form = next(gate.form for gate in weights.gates if gate.name == name)
        if form.name == "none":
            return self._biased(name, torch.zeros_like(v))
        if name in weights.full:
            size, place = weights.hidden_size, weights.full.index(name)
            matrix = weights.W_R[place * size : (place + 1) * size]
        else:
            matrix = weights.W_R_of[name]
        return self._biased(name, form.product(matrix, v))

    def _biased(self, name: str, product: Tensor) -> Tensor:
        return product + self.bias[name] if name in self.bias else product

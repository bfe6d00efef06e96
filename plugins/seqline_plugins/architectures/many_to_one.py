"""Many-to-one: a sequence in, one entity out.

A pooling makes one vector of all outputs of the recurrence. What it needs of the steps before is
part of the state, so that chunks and single steps give what the whole sequence gives.
Letters: B batch, T time, I features per step, H features of an output.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from seqline_plugins.architecture import Architecture, Kind, State
from seqline_plugins.dropout import drop
from seqline_plugins.options import option, slot
from seqline_plugins.recurrence import RecurrentStack

POOLINGS = ("last", "mean", "max", "attention")
POOL = "pool."
"""What stands before the names of the pooling's part of the state."""


@dataclass
class Config:
    """Options of `architecture=many_to_one`."""

    cell: Any = slot("cell", "the cell of every layer")
    hidden_size: int = option(128, "units of each layer and direction", low=1)
    num_layers: int = option(1, "layers on top of each other", low=1)
    bidirectional: bool = option(False, "read backward as well (not for online tasks)")
    pooling: str = option(
        "last",
        "what is made of the outputs: the last one of each direction, their mean, their maximum, "
        "or their mean weighted by attention",
        choices=POOLINGS,
    )
    attention_size: int | None = option(
        None, "units of the pooling by attention; null is hidden_size", low=1
    )
    dropout: float = option(0.0, "share dropped between layers", low=0, high=0.99)
    input_dropout: float = option(0.0, "share of the features dropped", low=0, high=0.99)
    output_dropout: float = option(0.0, "share of the pooled vector dropped", low=0, high=0.99)
    variational: bool = option(False, "drop the same features at every step of a sequence")


class ManyToOne(Architecture):
    """Cell × layers × directions, its outputs pooled: a classifier, a forecaster.

    The state is the recurrence's and the pooling's. A row without any step gives zeros.
    """

    Config = Config
    kind = Kind("sequence", "entity")

    def __init__(self, config: Any, input_size: int, kernel: str = "auto") -> None:
        super().__init__(config, input_size, kernel)
        self.recurrence = RecurrentStack.of(config, input_size, kernel)
        self.output_size = self.recurrence.output_size
        self.pooling = _pooling(config, self.output_size)

    @staticmethod
    def is_causal(config: Any) -> bool:
        """Causal unless bidirectional: after any step the answer is that of what was read."""
        return not config.bidirectional

    def initial_state(self, batch: int) -> State:
        """Return the state before the first step."""
        like = next(self.parameters())
        pooled = self.pooling.initial_state(like.new_zeros(batch, self.output_size))
        return self.recurrence.initial_state(batch) | _named(pooled)

    def forward(
        self,
        features: Float[Tensor, "B T I"],
        lengths: Int[Tensor, "B"] | None = None,
        state: State | None = None,
    ) -> tuple[Float[Tensor, "B H"], State]:
        """Return one vector a row, of its valid steps, and the state after the last of them."""
        state = self.initial_state(len(features)) if state is None else state
        x = drop(features, self.config.input_dropout, self.training, self.config.variational)
        outputs, after = self.recurrence(x, lengths, _without_pool(state))
        return self._pool(outputs, lengths, state, after)

    def step(
        self, features_t: Float[Tensor, "B I"], state: State
    ) -> tuple[Float[Tensor, "B H"], State]:
        """Return the vector of all that was read so far, this step included."""
        x_t = drop(features_t, self.config.input_dropout, self.training)
        output, after = self.recurrence.step(x_t, _without_pool(state))
        return self._pool(output.unsqueeze(1), None, state, after)

    def _pool(
        self, outputs: Tensor, lengths: Tensor | None, state: State, after: State
    ) -> tuple[Tensor, State]:
        B, T = outputs.shape[:2]
        steps = torch.arange(T, device=outputs.device)
        if lengths is None:
            valid = steps.new_ones(B, T, dtype=torch.bool)
        else:
            valid = steps < lengths.to(steps.device).unsqueeze(-1)
        before = {n.removeprefix(POOL): t for n, t in state.items() if n.startswith(POOL)}
        pooled, kept = self.pooling(outputs, valid, before)
        dropped = drop(pooled, self.config.output_dropout, self.training)
        return dropped, after | _named(kept)


class Last(nn.Module):
    """The forward direction's output at the last valid step, the backward one's at the first."""

    def __init__(self, directions: int) -> None:
        super().__init__()
        self.directions = directions

    def initial_state(self, zeros: Float[Tensor, "B H"]) -> State:
        """Nothing was read: zeros."""
        return {"last": zeros}

    def forward(
        self, outputs: Float[Tensor, "B T H"], valid: Bool[Tensor, "B T"], state: State
    ) -> tuple[Float[Tensor, "B H"], State]:
        """Return the last outputs; those of before where a row has no step here."""
        last = (valid.sum(dim=1) - 1).clamp(min=0).view(-1, 1, 1)
        found = outputs.gather(1, last.expand(-1, 1, outputs.shape[-1])).squeeze(1)
        if self.directions > 1:
            half = outputs.shape[-1] // 2
            found = torch.cat([found[:, :half], outputs[:, 0, half:]], dim=-1)
        found = torch.where(valid.any(dim=1, keepdim=True), found, state["last"].to(found.dtype))
        return found, {"last": found}


class Mean(nn.Module):
    """(1 / n) Σ h_t over the n valid steps."""

    def initial_state(self, zeros: Float[Tensor, "B H"]) -> State:
        """The sum of no outputs, and their number."""
        return {"sum": zeros, "count": zeros[:, :1].clone()}

    def forward(
        self, outputs: Float[Tensor, "B T H"], valid: Bool[Tensor, "B T"], state: State
    ) -> tuple[Float[Tensor, "B H"], State]:
        """Return the mean so far; outputs are zero where not valid."""
        total = state["sum"] + outputs.sum(dim=1)
        count = state["count"] + valid.sum(dim=1, keepdim=True)
        return total / count.clamp(min=1), {"sum": total, "count": count}


class Max(nn.Module):
    """max_t h_t, feature by feature, over the valid steps."""

    def initial_state(self, zeros: Float[Tensor, "B H"]) -> State:
        """The maximum of nothing."""
        return {"max": torch.full_like(zeros, -torch.inf)}

    def forward(
        self, outputs: Float[Tensor, "B T H"], valid: Bool[Tensor, "B T"], state: State
    ) -> tuple[Float[Tensor, "B H"], State]:
        """Return the largest so far."""
        shown = outputs.masked_fill(~valid.unsqueeze(-1), -torch.inf)
        largest = torch.maximum(shown.amax(dim=1), state["max"].to(outputs.dtype))
        return largest.masked_fill(largest == -torch.inf, 0), {"max": largest}


class Attention(nn.Module):
    """Σ a_t h_t with a = softmax(v · tanh(W h_t + b)) over the valid steps (Yang et al. 2016).

    The sums go on from step to step relative to the largest score there was, so that no
    exponential overflows.
    """

    def __init__(self, input_size: int, size: int) -> None:
        super().__init__()
        self.inner = nn.Linear(input_size, size)
        self.score = nn.Linear(size, 1, bias=False)

    def initial_state(self, zeros: Float[Tensor, "B H"]) -> State:
        """No score, and empty sums."""
        one = zeros[:, :1]
        return {"top": torch.full_like(one, -torch.inf), "weight": one.clone(), "sum": zeros}

    def forward(
        self, outputs: Float[Tensor, "B T H"], valid: Bool[Tensor, "B T"], state: State
    ) -> tuple[Float[Tensor, "B H"], State]:
        """Return the weighted mean so far."""
        scores = self.score(self.inner(outputs).tanh()).squeeze(-1)
        scores = scores.to(torch.promote_types(scores.dtype, torch.float32))
        scores = scores.masked_fill(~valid, -torch.inf)
        top = torch.maximum(scores.amax(dim=1, keepdim=True), state["top"])
        reference = top.detach().masked_fill(top == -torch.inf, 0)
        weights = (scores - reference).exp()
        earlier = (state["top"] - reference).exp()
        weight = state["weight"] * earlier + weights.sum(dim=1, keepdim=True)
        total = state["sum"] * earlier + (weights.unsqueeze(-1) * outputs).sum(dim=1)
        pooled = total / weight.masked_fill(weight == 0, 1)
        return pooled.to(outputs.dtype), {"top": top.detach(), "weight": weight, "sum": total}


def _pooling(config: Any, size: int) -> Any:
    if config.pooling == "last":
        return Last(2 if config.bidirectional else 1)
    if config.pooling == "attention":
        return Attention(size, config.attention_size or config.hidden_size)
    return Mean() if config.pooling == "mean" else Max()


def _named(state: State) -> State:
    return {POOL + name: tensor for name, tensor in state.items()}


def _without_pool(state: State) -> State:
    return {name: tensor for name, tensor in state.items() if not name.startswith(POOL)}

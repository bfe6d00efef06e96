"""What the ways of writing share: who is asked for the next token, and what comes out.

Letters: B inputs, N sentences written for each, R rows asked at once, V tokens, L steps.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from seqline_plugins.architecture import State
from seqline_plugins.recurrence.generated.rest import WeightsAtRest
from seqline_plugins.task.encoding import SearchTokens


class Writer(Protocol):
    """Who says how likely each token is next: a model, or a table in a test."""

    def advance(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        """Return log-probabilities (R, V) after the tokens (R,) that were written last.

        The search changes them. Each input has as many rows, side by side; one at first.
        """

    def choose(self, state: State, rows: Tensor, inputs: Tensor | None = None) -> State:
        """Return the state of the chosen rows.

        `inputs` are the inputs that are left, in their order, where some are left out: what is the
        same for all rows of an input need be there only once for each.
        """

    def coverage(self, state: State) -> Tensor:
        """Return how much each place of the input was looked at so far, (R, S), 1 past its end.

        Asked only where `coverage_penalty` is not 0.
        """


@dataclass(frozen=True)
class Written:
    """tokens (B, N, L), each row filled up with the end after its end; scores (B, N), best first.

    A score is the summed log-probability; where there was a search, divided by the length penalty,
    and less the coverage penalty.
    """

    tokens: Tensor
    scores: Tensor


def write(
    writer: Writer,
    state: State,
    lengths: Tensor,
    tokens: SearchTokens,
    options: Mapping[str, Any],
) -> Written:
    """Write for every input what the options of the section `decode` ask for.

    `state` is what `lengths`, (B,), tokens of each input have led to, and stands before the first
    token.
    """
    from seqline.decoding.beam import beam_search
    from seqline.decoding.sampling import draw

    way = draw if options["sample"] else beam_search
    with WeightsAtRest():
        return way(writer, state, limits_of(lengths, options["max_length"]), tokens, options)


GREEDY = {
    "beam": 1,
    "length_penalty": 0.0,
    "coverage_penalty": 0.0,
    "replace_unknown": False,
    "n_best": 1,
    "min_length": 0,
    "max_length": None,
    "no_repeat_ngram": 0,
    "sample": False,
}
"""How validations write: quickly, whatever `decode` says; in the precision of training."""


def arithmetic(options: Mapping[str, Any], device: str = "cpu") -> torch.autocast:
    """Return the context in which products have the precision that the options ask for."""
    return torch.autocast(device, torch.bfloat16, enabled=options["precision"] == "bf16")


def limits_of(lengths: Tensor, most: int | None) -> Tensor:
    """Return the most tokens to write for each input, (B,), the end not counted."""
    if most is None:
        return 2 * lengths + 10
    return torch.full_like(lengths, most)


def coverage_bonus(covered: Tensor, strength: float) -> Tensor:
    """Return b Σ_s log min(Σ_t a_ts, 1), at most 0: for places hardly looked at (Wu et al. 2016).

    `covered` (R, S) is the sum over the steps. The places are added in order, so that more of them
    past the end change no bit.
    """
    each = covered.double().clamp(1e-12, 1.0).log()
    return strength * each.cumsum(dim=1)[:, -1]


def length_penalty(length: Tensor, strength: float) -> Tensor:
    """Return ((5 + n) / 6)^a, by which a summed log-probability is divided (Wu et al. 2016)."""
    return ((5.0 + length.double()) / 6.0) ** strength

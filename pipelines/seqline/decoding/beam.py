"""Beam search: at each step the K likeliest beginnings; with K = 1 it is greedy.

Letters: B inputs, K beginnings of each, N sentences kept of each, V tokens, t steps so far.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from seqline.decoding.filters import NEVER, forbid, likeliest
from seqline.decoding.search import Writer, Written, coverage_bonus, length_penalty
from seqline_plugins.architecture import State
from seqline_plugins.task.encoding import SearchTokens


def beam_search(
    writer: Writer,
    state: State,
    limits: Tensor,
    tokens: SearchTokens,
    options: Mapping[str, Any],
) -> Written:
    """Return the N sentences of the highest score found for each input.

    An input is done when no beginning that is left can beat its N-th sentence any more: the
    summed log-probability only falls, is divided by the penalty of the limit at most, and coverage
    takes away from it. With K = 1 it is done when its beginning ends: that is greedy. There is one
    beginning at first, and never more than there are.
    """
    B, K, device = len(limits), max(options["beam"], options["n_best"]), limits.device
    finished = _Finished(B, options["n_best"], int(limits.max()) + 1, tokens.end, device)
    going = torch.arange(B, device=device)
    summed = torch.zeros(B, 1, dtype=torch.float64, device=device)
    written = torch.empty(B, 0, dtype=torch.int64, device=device)
    last = torch.full((B,), tokens.start, dtype=torch.int64, device=device)
    best_penalty = length_penalty(limits + 1, options["length_penalty"])
    while len(going):
        (G, k), step = summed.shape, written.shape[1]
        scores, state = writer.advance(last, state)
        forbid(scores, written, limits[going].repeat_interleave(k), tokens, options)
        scores, candidates = likeliest(scores, 2 * K)
        totals = (summed.view(-1, 1) + scores.double()).view(G, -1)
        top, place = totals.topk(min(2 * K, totals.shape[1]), dim=1)
        token = candidates.view(G, -1).gather(1, place)
        origin = place // candidates.shape[1] + (torch.arange(G, device=device) * k).unsqueeze(-1)
        ended = token == tokens.end
        penalty = length_penalty(torch.tensor(step + 1), options["length_penalty"])
        among = torch.arange(top.shape[1], device=device) < K  # an end that is less likely waits
        values = top / penalty
        if options["coverage_penalty"] and bool(ended.any()):
            bonus = coverage_bonus(writer.coverage(state), options["coverage_penalty"])
            values = values + bonus[origin]
        finished.add(going, values.masked_fill(~(ended & among), NEVER), origin, written)
        open_top = top.masked_fill(ended, NEVER)
        summed, chosen = open_top.topk(min(K, top.shape[1]), dim=1)
        rows, last = origin.gather(1, chosen), token.gather(1, chosen)
        reachable = summed[:, 0] / best_penalty[going]
        done = ended[:, 0] if K == 1 else reachable <= finished.worst(going)
        left = (~done & (summed[:, 0] > NEVER)).nonzero().flatten()
        some_done = len(left) < G
        if some_done:
            going, summed, rows, last = going[left], summed[left], rows[left], last[left]
        rows, last = rows.flatten(), last.flatten()
        written = torch.cat([written[rows], last.unsqueeze(-1)], dim=1)
        state = writer.choose(state, rows, left if some_done else None)
    return Written(finished.tokens, finished.scores)


class _Finished:
    """The N best sentences of each input so far, best first."""

    def __init__(self, B: int, N: int, longest: int, end: int, device: torch.device) -> None:
        self.scores = torch.full((B, N), NEVER, dtype=torch.float64, device=device)
        self.tokens = torch.full((B, N, longest), end, dtype=torch.int64, device=device)
        self.end = end

    def add(self, inputs: Tensor, scores: Tensor, origin: Tensor, written: Tensor) -> None:
        """Take the sentences that end here: scores (G, C), −∞ for none, and their rows (G, C)."""
        better = (scores > self.scores[inputs, -1:]).any(dim=1)
        if not bool(better.any()):
            return
        inputs, scores, origin = inputs[better], scores[better], origin[better]
        N, (_, longest) = self.scores.shape[1], self.tokens.shape[1:]
        new = torch.full((*origin.shape, longest), self.end, device=written.device)
        new[:, :, : written.shape[1]] = written[origin]
        scores, kept = torch.cat([self.scores[inputs], scores], dim=1).topk(N, dim=1)
        everything = torch.cat([self.tokens[inputs], new], dim=1)
        self.scores[inputs] = scores
        index = kept.unsqueeze(-1).expand(-1, -1, longest)
        self.tokens[inputs] = everything.gather(1, index)

    def worst(self, inputs: Tensor) -> Tensor:
        """Return the score that a sentence must beat to be kept, (G,)."""
        return self.scores[inputs, -1]

"""Drawn sentences: with temperature, from the likeliest k tokens or the likeliest share p.

Letters: B inputs, N sentences drawn of each, V tokens.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from seqline.decoding.filters import allow
from seqline.decoding.search import Writer, Written
from seqline_plugins.architecture import State
from seqline_plugins.sampling import pick
from seqline_plugins.task import SearchTokens


def draw(
    writer: Writer,
    state: State,
    limits: Tensor,
    tokens: SearchTokens,
    options: Mapping[str, Any],
) -> Written:
    """Return N sentences drawn for each input, the likeliest first.

    Each input has random numbers of its own from the seed, the same whatever it stands beside.
    """
    B, N, device = len(limits), options["n_best"], limits.device
    rows = torch.arange(B, device=device).repeat_interleave(N)
    state = writer.choose(state, rows, moved=True)
    limits = limits[rows]
    longest = int(limits.max()) + 1
    uniform = torch.rand(
        N, longest, generator=torch.Generator().manual_seed(options["seed"]), dtype=torch.float64
    )
    uniform = uniform.to(device).repeat(B, 1)
    summed = torch.zeros(B * N, dtype=torch.float64, device=device)
    written = torch.empty(B * N, 0, dtype=torch.int64, device=device)
    last = torch.full((B * N,), tokens.start, dtype=torch.int64, device=device)
    ended = torch.zeros(B * N, dtype=torch.bool, device=device)
    for step in range(longest):
        scores, state = writer.advance(last, state)
        scores = allow(scores, written, limits, tokens, options).double()
        last = pick(scores, uniform[:, step], options)
        last = torch.where(ended, tokens.end, last)
        gained = scores.gather(1, last.unsqueeze(-1)).squeeze(-1)
        summed = torch.where(ended, summed, summed + gained)
        written = torch.cat([written, last.unsqueeze(-1)], dim=1)
        ended = ended | (last == tokens.end)
        if bool(ended.all()):
            break
    scores, order = summed.view(B, N).sort(dim=1, descending=True, stable=True)
    index = order.unsqueeze(-1).expand(-1, -1, written.shape[1])
    return Written(written.view(B, N, -1).gather(1, index), scores)

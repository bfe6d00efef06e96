"""Drawn sentences: with temperature, from the likeliest k tokens or the likeliest share p.

Letters: B inputs, N sentences drawn of each, V tokens.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from seqline.decoding.filters import forbid
from seqline.decoding.search import Writer, Written
from seqline_plugins.architecture import State
from seqline_plugins.sampling import pick
from seqline_plugins.task.encoding import SearchTokens


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
    state = writer.choose(state, rows)
    limits = limits[rows]
    longest = int(limits.max()) + 1
    uniform = torch.rand(
        N, longest, generator=torch.Generator().manual_seed(options["seed"]), dtype=torch.float64
    )
    uniform = uniform.to(device)
    summed = torch.zeros(B * N, dtype=torch.float64, device=device)
    written = torch.full((B * N, longest), tokens.end, dtype=torch.int64, device=device)
    ended = torch.zeros(B, N, dtype=torch.bool, device=device)
    going, rows = torch.arange(B, device=device), torch.arange(B * N, device=device)
    last = torch.full((B * N,), tokens.start, dtype=torch.int64, device=device)
    step = 0
    while len(going):
        scores, state = writer.advance(last, state)
        forbid(scores, written[rows, :step], limits[rows], tokens, options)
        scores = scores.double()
        last = pick(scores, uniform[:, step].repeat(len(going)), options)
        done = ended[going].flatten()
        last = torch.where(done, tokens.end, last)
        gained = scores.gather(1, last.unsqueeze(-1)).squeeze(-1)
        summed[rows] = torch.where(done, summed[rows], summed[rows] + gained)
        written[rows, step] = last
        ended[going] = (done | (last == tokens.end)).view(-1, N)
        left = (~ended[going].all(dim=1)).nonzero().flatten()
        if len(left) < len(going):
            kept = (left.unsqueeze(-1) * N + torch.arange(N, device=device)).flatten()
            state = writer.choose(state, kept, left)
            going, rows, last = going[left], rows[kept], last[kept]
        step += 1
    scores, order = summed.view(B, N).sort(dim=1, descending=True, stable=True)
    index = order.unsqueeze(-1).expand(-1, -1, step)
    return Written(written.view(B, N, -1)[:, :, :step].gather(1, index), scores)

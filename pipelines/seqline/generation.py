"""Sequences made by a trained model, a sample at a time; the same loop for every task.

Letters: R sequences side by side, n steps.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from seqline.decoding import arithmetic
from seqline.model import SequenceModel
from seqline_plugins.task.generation import Generation, Opening

FACTOR = 1_000_003
"""Keeps the seeds of the sequences of one call apart from those of the next call."""


def generate(
    model: SequenceModel,
    generation: Generation,
    opening: Opening,
    options: Mapping[str, Any],
    *,
    rows: int = 1,
    number: int = 0,
) -> Iterator[Tensor]:
    """Yield the samples (R, …) of one step after the other, those of the opening left out.

    `options` are the section `decode`; the same seed and `number` give the same. It stops when all
    sequences have ended or are as long as asked for; what follows the end of one is no part of it.
    """
    draw = torch.Generator().manual_seed(options["seed"] * FACTOR + number)
    steps = options["max_length"] or generation.length
    model.eval()
    with torch.inference_mode():
        with arithmetic(options):
            state = model.start(opening.batch, rows, generation.window)
        hidden = torch.empty(0)
        for sample in opening.written[opening.told if model.kind.input == "entity" else 0 :]:
            with arithmetic(options):
                hidden, state = model.follow(sample.expand(rows, *sample.shape), state)
        ended = torch.zeros(rows, dtype=torch.bool)
        for step in range(steps):
            with arithmetic(options):
                sample = model.sample(hidden, options, draw)
            ended = ended | generation.ended(sample).cpu()
            if bool(ended.all()):
                return
            yield sample
            if step + 1 < steps:
                with arithmetic(options):
                    hidden, state = model.follow(sample, state)


def sequences(
    model: SequenceModel,
    generation: Generation,
    opening: Opening,
    options: Mapping[str, Any],
    count: int,
) -> list[Tensor]:
    """Return `count` whole sequences (n, …), drawn side by side, the opening's shown part first."""
    shown = opening.written[len(opening.written) - opening.shown :]
    if not count:
        return []
    drawn = list(generate(model, generation, opening, options, rows=count))
    found = []
    for row in range(count):
        own = [sample[row] for sample in drawn]
        ends = [place for place, one in enumerate(own) if bool(generation.ended(one[None])[0])]
        own = own[: ends[0]] if ends else own
        found.append(torch.cat([shown, torch.stack(own)]) if own else shown)
    return found

"""What the vocabulary lacks is taken over from the input.

Letters: B inputs, U steps, S places of the input.
"""

from __future__ import annotations

import torch
from jaxtyping import Int
from torch import Tensor

from seqline.model import SequenceModel
from seqline_plugins.task.encoding import SearchTokens
from seqline_plugins.task.split import Batch


def replace_unknown(
    model: SequenceModel, batch: Batch, written: Int[Tensor, "B U"], tokens: SearchTokens
) -> Int[Tensor, "B U"]:
    """Return −1 − s for each unknown token, s the place of the input looked at most (Luong 2015).

    The input's own end is no place to take anything from.
    """
    if tokens.unknown is None or not bool((written == tokens.unknown).any()):
        return written
    unknown = written.eq(tokens.unknown)
    looked = model.look(model.networks[0].inputs.with_output(batch, written))
    looked = looked[:, : written.shape[1]]
    _, lengths = model.networks[0].inputs(batch)
    places = torch.arange(looked.shape[2], device=written.device)
    last = (lengths - 1).clamp(min=1)
    looked = looked.masked_fill((places >= last.unsqueeze(-1)).unsqueeze(1), -1.0)
    return torch.where(unknown, -1 - looked.argmax(dim=-1), written)

"""What the next frame is without a model: the usual keys, or the last frame once more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from seqline_plugins.task.source import Example
from seqline_tasks.music.notes import KEYS, Frame

Roll = NDArray[np.float64]


def baselines(splits: Mapping[str, Sequence[Example]]) -> dict[str, float]:
    """Return trivial figures on the test split, all fitted to the training split.

    nll              the last frame again: a key goes on or begins as often as it does in training
    nll_frequencies  each key as often as it sounds in training, whatever is before
    accuracy         the last frame once more
    """
    trained, tested = (_pairs(splits[name]) for name in ("train", "test"))
    before, after = trained
    goes_on = (after * before).sum(0) + 0.5, before.sum(0) + 1.0
    begins = (after * (1 - before)).sum(0) + 0.5, (1 - before).sum(0) + 1.0
    often = (after.sum(0) + 0.5) / (len(after) + 1.0)
    before, after = tested
    repeated = np.where(before == 1, goes_on[0] / goes_on[1], begins[0] / begins[1])
    both = float((before * after).sum())
    return {
        "nll": _nll(repeated, after),
        "nll_frequencies": _nll(np.broadcast_to(often, after.shape), after),
        "accuracy": both / max(1.0, float(before.sum() + after.sum()) - both),
    }


def roll_of(frames: Sequence[Frame]) -> Roll:
    """Return frames as a piano roll of 0 and 1, (T, 88)."""
    roll = np.zeros((len(frames), KEYS))
    for t, frame in enumerate(frames):
        roll[t, frame] = 1
    return roll


def _pairs(examples: Sequence[Example]) -> tuple[Roll, Roll]:
    """Return each frame that has one after it, and that one."""
    rolls = [roll_of(example["frames"]) for example in examples]
    return np.concatenate([r[:-1] for r in rolls]), np.concatenate([r[1:] for r in rolls])


def _nll(probabilities: Roll, after: Roll) -> float:
    each = after * np.log(probabilities) + (1 - after) * np.log1p(-probabilities)
    return -float(each.sum(1).mean())

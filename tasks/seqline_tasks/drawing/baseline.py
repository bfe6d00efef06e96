"""What the next point is without a memory: a mixture fitted to single points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from seqline_plugins.task.source import Example
from seqline_tasks.drawing.encoding import scale_of

MOST = 20_000
"""Points that a mixture is fitted to: more change its third digit only."""


def without_memory(
    splits: Mapping[str, Sequence[Example]], components: int, smallest: float
) -> dict[str, float]:
    """Return the nats a point of a mixture of normals on test, in the units that the model uses.

    One mixture for points after which the pen stays down and one for those after which it is
    lifted, each as often as in training; how often a drawing ends likewise.
    """
    from sklearn.mixture import GaussianMixture

    scale = scale_of(splits["train"])
    trained, tested = (_points(splits[name], scale) for name in ("train", "test"))
    ends = len(splits["train"])
    steps = len(trained) + ends
    total = -len(splits["test"]) * float(np.log(ends / steps))
    for lifted in (0, 1):
        own, asked = (part[part[:, 2] == lifted, :2] for part in (trained, tested))
        if not len(asked):
            continue
        total -= len(asked) * float(np.log((len(own) + 0.5) / (steps + 1)))
        if len(own) > MOST:
            own = own[np.random.default_rng(0).choice(len(own), MOST, replace=False)]
        mixture = GaussianMixture(
            min(components, len(own)), reg_covar=smallest**2, random_state=0
        ).fit(own if len(own) > 1 else np.zeros((2, 2)))
        total -= float(mixture.score_samples(asked).sum())
    return {"nll": total / len(tested)}


def _points(examples: Sequence[Example], scale: float) -> NDArray[np.float64]:
    rows = np.asarray([point for one in examples for point in one["points"]], dtype=np.float64)
    rows[:, :2] /= scale
    return rows

"""Clips of handwritten digits that move: scikit-learn's, bouncing in a noisy frame.

No frame shows the whole digit: half of its pixels are hidden in each, others every time.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from seqline_plugins.task.source import Example
from seqline_tasks.data.digits import digits

FRAMES, SIDE, DIGIT = 12, 16, 8
HIDDEN, NOISE = 0.5, 0.1
SPLITS = ("train", "validation", "test")
SHARES = (0.8, 0.1, 0.1)
"""Shares of the images: a digit of the test moves in no clip of training."""


def moving_digits(train: int, others: int, seed: int) -> dict[str, list[Example]]:
    """Return clips {"frames": (12, 16, 16) as lists of 0 to 255, "label": the digit}.

    Raises `UserError` where scikit-learn is not installed.
    """
    images, labels = digits()
    random = np.random.default_rng(seed)
    order = random.permutation(len(images))
    cuts = np.cumsum([int(share * len(images)) for share in SHARES[:2]])
    parts = np.split(order, cuts)
    sizes = (train, others, others)
    return {
        name: [_clip(images[n], str(labels[n]), random) for n in random.choice(part, size)]
        for name, part, size in zip(SPLITS, parts, sizes, strict=True)
    }


def _clip(image: Any, label: str, random: np.random.Generator) -> Example:
    frames = random.random((FRAMES, SIDE, SIDE)) * NOISE
    place = random.random(2) * (SIDE - DIGIT)
    speed = random.uniform(0.5, 2.0, 2) * random.choice((-1, 1), 2)
    for frame in frames:
        y, x = place.astype(int)
        seen = image / 16 * (random.random(image.shape) >= HIDDEN)
        frame[y : y + DIGIT, x : x + DIGIT] += seen
        place = place + speed
        for axis in range(2):
            if not 0 <= place[axis] <= SIDE - DIGIT:
                speed[axis] = -speed[axis]
                place[axis] = np.clip(place[axis], 0, SIDE - DIGIT)
    shades = (np.clip(frames, 0, 1) * 255).round().astype(int)
    return {"frames": shades.tolist(), "label": label, "place": ""}

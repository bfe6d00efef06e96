"""Examples that are drawn from `data.seed`, nothing stored or read."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from seqline_plugins.errors import UserError
from seqline_plugins.task.source import DataSource, Example, Source
from seqline_tasks.data.split import SPLITS


class Drawn(Sequence[Example]):
    """Examples made when they are asked for; example n is the same whenever it is."""

    def __init__(self, draw: Any, count: int, seed: Sequence[int]) -> None:
        self._draw, self._count, self._seed = draw, count, tuple(seed)

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, number: Any) -> Any:
        """Return example `number`, or those of a slice."""
        if isinstance(number, slice):
            return [self[one] for one in range(*number.indices(self._count))]
        if not -self._count <= number < self._count:
            raise IndexError(number)
        return self._draw(np.random.default_rng([*self._seed, number % self._count]))


class DrawnSource(Source):
    """A source that draws as many examples as the options `train` and `others` say."""

    @abstractmethod
    def draw(self, random: np.random.Generator) -> Example:
        """Return one example, all its chance from `random`."""

    def read(self, data: DataSource) -> dict[str, Any]:
        """Return the three splits, each drawn when it is gone through."""
        if data.source != "builtin":
            raise UserError(
                f"data={data.source}: this task draws its own examples, expected data=builtin "
                "(data.seed draws others)."
            )
        sizes = (self.config.train, self.config.others, self.config.others)
        return {
            name: Drawn(self.draw, size, (data.seed, number))
            for number, (name, size) in enumerate(zip(SPLITS, sizes, strict=True))
        }

    def fingerprint(self, data: DataSource) -> dict[str, Any]:
        """Return the seed; the options stand beside it."""
        return {"source": data.source, "seed": data.seed, "options": asdict(self.config)}

    def baseline(self, splits: Mapping[str, Sequence[Example]]) -> dict[str, float]:
        """Return what the task's own trivial answer reaches."""
        return self.trivial(splits["test"])

    @abstractmethod
    def trivial(self, test: Sequence[Example]) -> dict[str, float]:
        """Return the figures of an answer that reads nothing."""

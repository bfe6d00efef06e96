"""C that is written, and whether it is C."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from seqline_tasks.c_code.pieces import shares_of_c
from seqline_tasks.language_model.generation import TextGeneration


class CodeGeneration(TextGeneration):
    """Text, with the share of its pieces that are C."""

    def figures(self, sequences: Sequence[Tensor]) -> dict[str, float]:
        """Return `parsed` and `balanced` of what was written."""
        return shares_of_c([self.text(one) for one in sequences])

"""Text that goes on from a beginning, character by character.

Letters: n characters.
"""

from __future__ import annotations

import torch
from torch import Tensor

from seqline_plugins.generation import Generation, Opening
from seqline_tasks.language_model.encoding import CharacterEncoding

START = "\n"
"""What stands before a text that is given no beginning: the end of a line."""


class TextGeneration(Generation):
    """Writes text to the terminal, as many characters as are asked for."""

    shows_text = True
    encoding: CharacterEncoding

    @property
    def length(self) -> int:
        """Characters of a text."""
        return int(self.config.samples.length)

    @property
    def count(self) -> int:
        """Texts that are written at the evaluation."""
        return int(self.config.samples.count)

    @property
    def window(self) -> int:
        """Characters that many-to-one reads before each that it tells."""
        return self.encoding.window

    def opening(self, given: str | None) -> Opening:
        """Return the beginning in numbers, with a warning of what the model never saw."""
        numbers = self.encoding.numbers(given or START)
        written = torch.from_numpy(numbers.astype("int64"))
        unknown = self.encoding.unknown(given or "")
        warnings: tuple[str, ...] = ()
        if unknown:
            listed = " ".join(repr(char) for char in unknown[:10])
            warnings = (
                f"--from: the model never saw {listed}"
                f"{' and others' if len(unknown) > 10 else ''} in training and reads "
                f"{'them' if len(unknown) > 1 else 'it'} as an unknown character.",
            )
        return Opening(written, shown=len(given or ""), warnings=warnings)

    def text(self, samples: Tensor) -> str:
        """Return the characters."""
        return self.encoding.text(samples.cpu().numpy())

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
        text, most = given or START, self.config.first
        written = self._numbers(text)
        first = self._numbers(text[:most].rjust(most, START)).unsqueeze(0)
        batch = {"tokens": first, "lengths": torch.tensor([most])}
        unknown = self.encoding.unknown(given or "")
        warnings: tuple[str, ...] = ()
        if unknown:
            listed = " ".join(repr(char) for char in unknown[:10])
            warnings = (
                f"--from: the model never saw {listed}"
                f"{' and others' if len(unknown) > 10 else ''} in training and reads "
                f"{'them' if len(unknown) > 1 else 'it'} as an unknown character.",
            )
        told = min(most, len(text)) - 1
        return Opening(written, batch, told, shown=len(given or ""), warnings=warnings)

    def _numbers(self, text: str) -> Tensor:
        return torch.from_numpy(self.encoding.numbers(text).astype("int64"))

    def text(self, samples: Tensor) -> str:
        """Return the characters."""
        return self.encoding.text(samples.cpu().numpy())

"""Text that goes on from a beginning, character by character.

Letters: n characters.
"""

from __future__ import annotations

import torch
from torch import Tensor

from seqline_plugins.errors import UserError, unknown
from seqline_plugins.task.generation import Generation, Opening
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
        """Return the beginning in numbers, with a warning of what the model never saw.

        Of a model that makes texts from a class, `given` is that class, or "CLASS: beginning"; the
        first class if nothing is given. Raises `UserError` for a class that training never had.
        """
        if self.encoding.classes:
            return self._of_class(given)
        text, most = given or START, self.config.first
        written = self._numbers(text)
        first = self._numbers(text[:most].rjust(most, START)).unsqueeze(0)
        batch = {"tokens": first, "lengths": torch.tensor([most])}
        told = min(most, len(text)) - 1
        warnings = self._warnings(given or "")
        return Opening(written, batch, told, shown=len(given or ""), warnings=warnings)

    def _of_class(self, given: str | None) -> Opening:
        name, _, begun = (self.encoding.classes[0] if given is None else given).partition(":")
        name, begun = name.strip(), begun.removeprefix(" ")
        if name not in self.encoding.classes:
            raise UserError(f"--from: {unknown('class', name, self.encoding.classes)}")
        batch = {"class": torch.tensor([self.encoding.class_of(name)])}
        written = self._numbers(START + begun)
        return Opening(written, batch, shown=len(begun), warnings=self._warnings(begun))

    def _warnings(self, given: str) -> tuple[str, ...]:
        unseen = self.encoding.unknown(given)
        if not unseen:
            return ()
        listed = " ".join(repr(char) for char in unseen[:10])
        return (
            f"--from: the model never saw {listed}"
            f"{' and others' if len(unseen) > 10 else ''} in training and reads "
            f"{'them' if len(unseen) > 1 else 'it'} as an unknown character.",
        )

    def _numbers(self, text: str) -> Tensor:
        return torch.from_numpy(self.encoding.numbers(text).astype("int64"))

    def text(self, samples: Tensor) -> str:
        """Return the characters."""
        return self.encoding.text(samples.cpu().numpy())

"""Generation: how a task makes sequences from nothing, from a beginning or from one entity.

A task says what stands before the first step, how long it goes on and how a person sees the
result; the loop, `seqline.generation`, is the same for all.
Letters: R sequences side by side, n steps.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from jaxtyping import Bool
from torch import Tensor


@dataclass(frozen=True)
class Opening:
    """What stands before the first sample that is drawn.

    written   samples (n, …), n ≥ 1, each as `Inputs.feedback` takes it: a start symbol, a prefix
    batch     one row of what the inputs read before anything is written, an entity; None for
              language models
    told      how many of `written`, its first ones, `batch` tells already: a model that reads an
              entity is not fed them
    shown     how many of `written` belong to the sequence that a person sees, its last ones
    warnings  what a person should know of the beginning they gave
    """

    written: Tensor
    batch: dict[str, Tensor] | None = None
    told: int = 0
    shown: int = 0
    warnings: tuple[str, ...] = ()


class Generation(ABC):
    """How a task generates; made from its options and its encoding.

    shows_text  whether what is generated is text for the terminal; else `write` leaves files
    window      for architectures that read a window anew at each step (many-to-one): its steps
    """

    shows_text: ClassVar[bool] = False

    def __init__(self, config: Any, encoding: Any) -> None:
        self.config, self.encoding = config, encoding

    @property
    @abstractmethod
    def length(self) -> int:
        """Steps of a sequence, where `decode.max_length` says nothing."""

    @property
    def count(self) -> int:
        """Sequences that are generated at the evaluation, to be looked at and counted."""
        return 4

    @property
    def window(self) -> int | None:
        """Steps that a many-to-one architecture reads before each new one."""
        return None

    @abstractmethod
    def opening(self, given: str | None) -> Opening:
        """Return what stands before the first step; `given` is what the user wrote as `--from`.

        Raises `UserError` for what is no beginning.
        """

    def ended(self, sample: Tensor) -> Bool[Tensor, "R"]:
        """Say of the newest samples (R, …) which end their sequence; they are not part of it."""
        return torch.zeros(len(sample), dtype=torch.bool, device=sample.device)

    @abstractmethod
    def text(self, samples: Tensor) -> str:
        """Return samples (n, …) as text: what is printed, or a line that describes them."""

    def write(self, samples: Tensor, stem: Path) -> list[Path]:
        """Write a sequence (n, …) as files whose names begin with `stem`; return them."""
        path = stem.with_name(f"{stem.name}.txt")
        path.write_text(self.text(samples), encoding="utf-8")
        return [path]

    def figures(self, sequences: Sequence[Tensor]) -> dict[str, float]:
        """Return figures of what was generated at the evaluation (the share that can be parsed)."""
        return {}

    def pictures(self, sequences: Sequence[Tensor], folder: Path) -> list[Path]:
        """Draw what was generated at the evaluation for a person, as files in `folder`."""
        return []

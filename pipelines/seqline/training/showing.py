"""A few examples as a person wants to see them: what was written, and what it looked at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from seqline.decoding.unknowns import replace_unknown
from seqline.model import SequenceModel
from seqline.training.inference import Search, to_device
from seqline_plugins.task.source import Example
from seqline_plugins.task.split import EncodedSplit
from seqline_plugins.task.task import Task

SHOWN = 2
"""Examples that are shown at each validation."""


@dataclass(frozen=True)
class Show:
    """Writes samples and attention's pictures of a split into folders."""

    task: Task
    encoding: Any
    split: EncodedSplit
    examples: Sequence[Example]
    search: Search

    def __call__(self, model: SequenceModel, folder: Path, count: int = SHOWN) -> None:
        """Write `samples.md`, and a picture of each sample where the model is attentive."""
        step = max(1, len(self.examples) // count)
        rows = list(range(0, len(self.examples), step))[:count]
        device = next(model.parameters()).device
        own = [self.examples[row] for row in rows]
        folder.mkdir(parents=True, exist_ok=True)
        was_training = model.training
        model.eval()
        with torch.inference_mode():
            batch = to_device(self.split.batch(rows), device)
            written = self.search.write(model, batch).tokens[:, 0]
            if model.networks[0].reads_attention:
                looked = model.look(model.networks[0].inputs.with_output(batch, written))
                for number, example in enumerate(own):
                    path = folder / f"attention-{number + 1}.png"
                    tokens = written[number].tolist()
                    self.task.draw_attention(self.encoding, example, tokens, looked[number], path)
            if self.search.options["replace_unknown"]:
                written = replace_unknown(model, batch, written, self.search.tokens)
            answers = self.task.answer(self.encoding, written, batch, own)
        model.train(was_training)
        samples = "\n\n".join(self.task.samples(own, answers))
        (folder / "samples.md").write_text(samples + "\n", encoding="utf-8")

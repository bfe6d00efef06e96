"""How well the tags fit: accuracy and what stands beside it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from seqline_plugins.task.metrics import Metrics
from seqline_plugins.task.source import Example
from seqline_plugins.task.split import Batch
from seqline_tasks.pictures import draw_confusion
from seqline_tasks.pos_tagging.encoding import UNSCORED, TagEncoding
from seqline_tasks.pos_tagging.passages import BREAK

NONE = -1
"""The number of no word."""


class TagMetrics(Metrics):
    """Accuracy over the scored words; on words unseen in training; of whole sentences; F1."""

    encoding: TagEncoding

    def __init__(self, config: Any, encoding: TagEncoding) -> None:
        super().__init__(config, encoding)
        self._predicted: list[Tensor] = []
        self._gold: list[Tensor] = []
        self._unseen: list[Tensor] = []
        self._sentences = self._right_sentences = 0

    def update(self, predicted: Tensor, batch: Batch, examples: Sequence[Example] = ()) -> None:
        """Add one batch: predicted tags (B, T)."""
        gold = batch["tags"]
        scored = gold != UNSCORED
        wrong = (predicted != gold) & scored
        sentence = self._sentence_of(batch)
        some = len(sentence[scored].unique())
        self._sentences += some
        self._right_sentences += some - len(sentence[wrong].unique())
        self._predicted.append(predicted[scored].cpu())
        self._gold.append(gold[scored].cpu())
        self._unseen.append((batch["count"][batch["token"]] == 0)[scored].cpu())

    def _sentence_of(self, batch: Batch) -> Tensor:
        """Return which sentence of the batch each word is in, (B, T)."""
        breaks = batch["word"][batch["token"]] == self.encoding.words.get(BREAK, NONE)
        rows, steps = breaks.shape
        return breaks.cumsum(dim=1) + torch.arange(rows, device=breaks.device)[:, None] * steps

    def compute(self) -> dict[str, float]:
        """Return accuracy, unseen_accuracy, sentence_accuracy and f1 (the mean over tags)."""
        predicted, gold = torch.cat(self._predicted), torch.cat(self._gold)
        unseen = torch.cat(self._unseen)
        right = (predicted == gold).double()
        figures = {
            "accuracy": right.mean().item() if len(right) else 0.0,
            "sentence_accuracy": self._right_sentences / max(1, self._sentences),
        }
        if bool(unseen.any()):
            figures["unseen_accuracy"] = right[unseen].mean().item()
        scores = [row["f1"] for row in self.tables()["f1_per_tag"]]
        figures["f1"] = sum(scores) / max(1, len(scores))
        return figures

    def tables(self) -> dict[str, list[dict[str, Any]]]:
        """Return precision, recall, F1 and the number of words per tag of the split."""
        confusion = self._confusion()
        names = self._names()
        rows = []
        for number, name in enumerate(names):
            right = float(confusion[number, number])
            gold, guessed = float(confusion[number].sum()), float(confusion[:, number].sum())
            if gold:
                precision = right / guessed if guessed else 0.0
                recall = right / gold
                both = precision + recall
                f1 = 2 * precision * recall / both if both else 0.0
                row = {"tag": name, "words": int(gold), "precision": precision, "recall": recall}
                rows.append(row | {"f1": f1})
        return {"f1_per_tag": rows}

    def pictures(self, folder: Path) -> list[Path]:
        """Draw the confusion matrix of the tags that are confused most."""
        path = folder / "confusion.png"
        draw_confusion(self._confusion(), self._names(), path)
        return [path]

    def _names(self) -> list[str]:
        return [*self.encoding.tags, "(new tag)"]

    def _confusion(self) -> Tensor:
        """Return counts (gold, predicted); the last row is of tags that training never had."""
        from torchmetrics.functional.classification import multiclass_confusion_matrix

        predicted, gold = torch.cat(self._predicted), torch.cat(self._gold)
        classes = len(self._names())
        counts: Tensor = multiclass_confusion_matrix(predicted, gold, num_classes=classes)
        return counts

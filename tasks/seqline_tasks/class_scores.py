"""How good a classifier of sequences is; shared by the tasks that name one class a row."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from seqline_plugins.task.metrics import Metrics
from seqline_plugins.task.source import Example
from seqline_plugins.task.split import Batch
from seqline_tasks.heads.softmax import UNSCORED
from seqline_tasks.pictures import draw_confusion


class ClassMetrics(Metrics):
    """Accuracy, and F1 as the mean over the classes that the split has."""

    def __init__(self, config: Any, encoding: Any) -> None:
        super().__init__(config, encoding)
        self._predicted: list[Tensor] = []
        self._gold: list[Tensor] = []

    def update(self, predicted: Tensor, batch: Batch, examples: Sequence[Example] = ()) -> None:
        """Add one batch: predicted classes, of the shape of the batch's `target`."""
        gold = batch["target"]
        scored = gold != UNSCORED
        self._predicted.append(predicted[scored].cpu())
        self._gold.append(gold[scored].cpu())

    def compute(self) -> dict[str, float]:
        """Return accuracy and f1; a class that training never had is always missed."""
        from torchmetrics.functional.classification import multiclass_accuracy, multiclass_f1_score

        predicted, gold = torch.cat(self._predicted), torch.cat(self._gold)
        if not len(gold):
            return {"accuracy": 0.0, "f1": 0.0}
        sizes: dict[str, Any] = {"num_classes": len(self._names())}
        accuracy = multiclass_accuracy(predicted, gold, average="micro", **sizes)
        each = multiclass_f1_score(predicted, gold, average="none", **sizes)
        return {"accuracy": float(accuracy), "f1": float(each[gold.unique()].mean())}

    def tables(self) -> dict[str, list[dict[str, Any]]]:
        """Return precision, recall, F1 and the number of rows of each class."""
        from torchmetrics.functional.classification import (
            multiclass_f1_score,
            multiclass_precision,
            multiclass_recall,
        )

        predicted, gold = torch.cat(self._predicted), torch.cat(self._gold)
        names = self._names()
        if not len(gold):
            return {"classes": []}
        sizes: dict[str, Any] = {"num_classes": len(names), "average": "none"}
        figures = {
            "precision": multiclass_precision(predicted, gold, **sizes),
            "recall": multiclass_recall(predicted, gold, **sizes),
            "f1": multiclass_f1_score(predicted, gold, **sizes),
        }
        rows = [
            {"class": name, "rows": int((gold == number).sum())}
            | {figure: float(values[number]) for figure, values in figures.items()}
            for number, name in enumerate(names)
        ]
        return {"classes": [row for row in rows if row["rows"]]}

    def pictures(self, folder: Path) -> list[Path]:
        """Draw the confusion matrix."""
        from torchmetrics.functional.classification import multiclass_confusion_matrix

        predicted, gold = torch.cat(self._predicted), torch.cat(self._gold)
        if not len(gold):
            return []
        names = self._names()
        counts = multiclass_confusion_matrix(predicted, gold, num_classes=len(names))
        path = folder / "confusion.png"
        draw_confusion(counts, names, path)
        return [path]

    def _names(self) -> list[str]:
        return [*self.encoding.classes, "(new class)"]

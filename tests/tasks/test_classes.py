"""Classes of sequences: the head for one a row, the scores, what is refused."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from seqline_plugins.errors import UserError
from seqline_tasks.class_scores import ClassMetrics
from seqline_tasks.class_task import mark_classes
from seqline_tasks.data.labels import classes_of, most_frequent_class, numbers_of
from seqline_tasks.heads.classes import ClassHead
from seqline_tasks.heads.softmax import UNSCORED

ABC = SimpleNamespace(classes=["a", "b", "c"])


def examples(labels: str) -> list[dict[str, Any]]:
    return [{"label": label, "place": f"x.txt, line {n}"} for n, label in enumerate(labels, 1)]


def test_one_class_a_row_and_one_a_step_are_scored_alike() -> None:
    head = ClassHead(None, ABC, 4, {})
    hidden, target = torch.randn(2, 3, 4), torch.tensor([[0, 2, UNSCORED], [1, 1, 0]])
    kept = target.flatten() != UNSCORED
    scores = head.softmax.scores(hidden).flatten(0, 1)[kept]
    wanted = -F.log_softmax(scores, -1)[range(5), target.flatten()[kept]].sum()
    for shape in (lambda t: t, lambda t: t.flatten(0, 1)):
        summed, count = head.loss(shape(hidden), {"target": shape(target)})
        torch.testing.assert_close(summed, wanted)
        assert int(count) == 5
        losses = head.step_losses(shape(hidden), {"target": shape(target)})
        assert losses.dim() == 2
        torch.testing.assert_close(losses.sum(), wanted)


def test_scores_are_scikit_learns(tmp_path: Path) -> None:
    from sklearn.metrics import accuracy_score, f1_score, precision_score

    torch.manual_seed(0)
    gold, said = torch.randint(0, 3, (40,)), torch.randint(0, 3, (40,))
    metrics = ClassMetrics(None, ABC)
    metrics.update(said[:25], {"target": gold[:25]})
    metrics.update(said[25:], {"target": gold[25:]})
    figures = metrics.compute()
    assert figures["accuracy"] == pytest.approx(accuracy_score(gold, said))
    assert figures["f1"] == pytest.approx(f1_score(gold, said, average="macro"))
    precision = [row["precision"] for row in metrics.tables()["classes"]]
    assert precision == pytest.approx(precision_score(gold, said, average=None).tolist())
    assert [path.name for path in metrics.pictures(tmp_path)] == ["confusion.png"]
    assert (tmp_path / "confusion.png").stat().st_size > 1000


def test_a_class_that_training_never_had_counts_as_missed() -> None:
    metrics = ClassMetrics(None, ABC)
    gold = torch.tensor(numbers_of([{"label": "a"}, {"label": "new"}, {"label": None}], "abc"))
    metrics.update(torch.tensor([0, 1, 2]), {"target": gold})
    assert metrics.compute()["accuracy"] == 0.5


def test_a_class_seen_once_is_refused_with_its_place() -> None:
    with pytest.raises(UserError, match=r"x.txt, line 4: the class 'z' stands once"):
        classes_of(examples("aabzb"))
    with pytest.raises(UserError, match="have one class, 'a'"):
        classes_of(examples("aaa"))
    assert classes_of(examples("bbaa")) == ["a", "b"]


def test_the_trivial_answer_is_the_most_frequent_class_of_training() -> None:
    assert most_frequent_class(examples("aabbb"), examples("abbb")) == 0.75


def test_half_the_samples_are_mistakes_and_marked() -> None:
    given = examples("aaaabbbb")
    said = [["a"], ["b"], ["a"], ["b"], ["b"], ["b"], ["a"], ["b"]]
    shown = mark_classes([f"text {n}" for n in range(8)], given, said, count=4)
    assert len(shown) == 4 and sum("**" in line for line in shown) == 2
    assert "**b** (not a): text 1" in shown

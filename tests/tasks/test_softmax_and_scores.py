"""The head's loss and the metrics against computations of their own."""

from __future__ import annotations

import math
from collections import Counter

import pytest
import torch

from seqline_tasks.heads.softmax import UNSCORED, Softmax
from seqline_tasks.pos_tagging.baseline import most_frequent_tag
from seqline_tasks.pos_tagging.encoding import TagEncoding
from seqline_tasks.pos_tagging.scoring import TagMetrics


def softmax(classes: int = 4, smoothing: float = 0.0) -> Softmax:
    torch.manual_seed(0)
    return Softmax(3, classes, smoothing).double()


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_the_loss_is_the_summed_cross_entropy_of_the_scored_steps(smoothing: float) -> None:
    head, hidden = softmax(smoothing=smoothing), torch.randn(2, 3, 3, dtype=torch.float64)
    targets = torch.tensor([[0, 3, UNSCORED], [2, 4, 9]])  # 4 and 9: classes training never had
    loss, count = head.loss(hidden, targets)
    total = 0.0
    for row, step in ((0, 0), (0, 1), (1, 0)):
        weight, bias = head.scores.weight.detach(), head.scores.bias.detach()
        z = [float(weight[c] @ hidden[row, step] + bias[c]) for c in range(4)]
        log_sum = math.log(sum(math.exp(one) for one in z))
        gold = int(targets[row, step])
        share = [(1 - smoothing) * (c == gold) + smoothing / 4 for c in range(4)]
        total += sum(p * (log_sum - one) for p, one in zip(share, z, strict=True))
    assert int(count) == 3
    assert loss.item() == pytest.approx(total, abs=1e-12)


def test_nothing_to_score_is_a_loss_of_zero_that_can_be_learned_from() -> None:
    head, hidden = softmax(), torch.randn(2, 3, 3, dtype=torch.float64, requires_grad=True)
    loss, count = head.loss(hidden, torch.full((2, 3), UNSCORED))
    loss.backward()
    assert (loss.item(), int(count)) == (0.0, 0)
    assert not hidden.grad.any()


def test_half_precision_is_summed_in_float32() -> None:
    head = softmax().bfloat16()
    loss, _ = head.loss(torch.randn(5, 3).bfloat16(), torch.tensor([0, 1, 2, 3, 0]))
    assert loss.dtype == torch.float32


def test_the_prediction_is_the_class_with_the_largest_score() -> None:
    head, hidden = softmax(), torch.randn(2, 5, 3, dtype=torch.float64)
    assert torch.equal(head.predict(hidden), head.scores(hidden).argmax(-1))


def test_probabilities_are_those_of_which_the_largest_is_predicted() -> None:
    head, hidden = softmax(), torch.randn(2, 5, 3, dtype=torch.float64)
    found = head.probabilities(hidden)
    torch.testing.assert_close(found.sum(-1), torch.ones(2, 5, dtype=torch.float64))
    assert torch.equal(found.argmax(-1), head.predict(hidden))
    scores = head.scores(hidden)
    torch.testing.assert_close(
        found[..., :1] / found[..., 1:2], (scores[..., :1] - scores[..., 1:2]).exp()
    )
    assert head.bfloat16().probabilities(hidden.bfloat16()).dtype == torch.float32


TAGS = ["ADJ", "NOUN", "VERB"]
NEW = 3


def metrics_of(batches: list[tuple[list, list, list]]) -> TagMetrics:
    metrics = TagMetrics(None, TagEncoding(2, 8, TAGS, {}, {}, {}, {}, {}))
    for predicted, gold, counts in batches:
        token = torch.arange(sum(len(row) for row in gold)).view(len(gold), -1)
        flat = [count for row in counts for count in row]
        batch = {"tags": torch.tensor(gold), "token": token, "count": torch.tensor(flat)}
        batch["word"] = torch.ones(len(flat), dtype=torch.long)
        metrics.update(torch.tensor(predicted), batch)
    return metrics


X = UNSCORED
BATCHES = [
    ([[1, 2, 0], [1, 1, 1]], [[1, 2, 1], [1, X, X]], [[4, 0, 2], [1, 0, 0]]),
    ([[2, 0]], [[NEW, 2]], [[0, 0]]),
    ([[1, 1]], [[X, X]], [[0, 0]]),
]


def test_metrics_equal_a_count_by_hand() -> None:
    metrics = metrics_of(BATCHES)
    pairs = [(1, 1), (2, 2), (0, 1), (1, 1), (2, NEW), (0, 2)]  # predicted, gold
    f1s = []
    for tag in (1, 2, NEW):
        right = sum(p == g == tag for p, g in pairs)
        guessed, gold = sum(p == tag for p, _ in pairs), sum(g == tag for _, g in pairs)
        f1s.append(2 * right / (guessed + gold))
    assert metrics.compute() == pytest.approx(
        {
            "accuracy": 3 / 6,
            "unseen_accuracy": 1 / 3,
            "sentence_accuracy": 1 / 3,
            "f1": sum(f1s) / 3,
        }
    )
    rows = {row["tag"]: row for row in metrics.tables()["f1_per_tag"]}
    assert list(rows) == ["NOUN", "VERB", "(new tag)"]
    assert rows["NOUN"] == pytest.approx(
        {"tag": "NOUN", "words": 3, "precision": 1.0, "recall": 2 / 3, "f1": 0.8}, nan_ok=True
    )
    assert Counter({tag: row["words"] for tag, row in rows.items()}) == Counter(
        {"NOUN": 3, "VERB": 2, "(new tag)": 1}
    )


def test_no_unseen_word_means_no_figure_for_them() -> None:
    metrics = metrics_of([([[1]], [[1]], [[3]])])
    assert metrics.compute() == {"accuracy": 1.0, "sentence_accuracy": 1.0, "f1": 1.0}


def test_the_confusion_matrix_is_drawn(tmp_path) -> None:
    (path,) = metrics_of(BATCHES).pictures(tmp_path)
    assert path.read_bytes().startswith(b"\x89PNG") and path.stat().st_size > 2000


def example(text: str) -> dict[str, list]:
    pairs = [word.split("/") for word in text.split()]
    return {"words": [w for w, _ in pairs], "tags": [t if t != "-" else None for _, t in pairs]}


def test_the_baseline_gives_every_word_its_most_frequent_tag() -> None:
    train = [example("run/N run/V run/V dog/N cat/N the/D"), example("odd/- the/D cat/N")]
    test = [example("run/V run/N dog/N new/N other/V the/- odd/N")]
    # run → V, dog → N, unseen → N (most frequent overall); `odd` was never tagged
    assert most_frequent_tag({"train": train, "test": test}) == pytest.approx(4 / 6)

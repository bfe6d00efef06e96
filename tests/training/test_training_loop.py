"""The loop: bounds, accumulation, the best weights, early stopping, one seed one result."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from seqline.training.batches import Portion
from seqline.training.loop import Training
from seqline.training.progress import Progress
from seqline_plugins.task.metrics import Metrics


def weights_of(training: Training) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in training.model.state_dict().items()}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    assert one.keys() == other.keys()
    return all(torch.equal(one[name], other[name]) for name in one)


def figures(training: Training) -> list[Any]:
    return [(point.step, point.epoch, point.metrics) for point in training.at.history]


class Scripted(Metrics):
    """Metrics that give prepared values, one a validation."""

    def __init__(self, values: list[float]) -> None:
        self.values = values

    def update(self, predicted: torch.Tensor, batch: Any, examples: Any = ()) -> None:
        pass

    def compute(self) -> dict[str, float]:
        return {"accuracy": self.values.pop(0)}


def test_training_learns_the_toy_language(make_training) -> None:
    at = make_training(max_epochs=10, lr=0.05, dropout=False).run()
    losses = [p.metrics["train/loss"] for p in at.history if "train/loss" in p.metrics]
    assert losses[-1] < losses[0] / 3
    assert at.best_score > 0.7
    assert (at.epoch, at.position, at.finished) == (10, 0, True)


def test_one_seed_gives_one_result_to_the_bit(make_training) -> None:
    runs = []
    for seed in (5, 5, 6):
        training = make_training(max_steps=7, average=0.9, seed=seed)
        training.run()
        runs.append((weights_of(training), training.best, figures(training)))
    assert same(runs[0][0], runs[1][0]) and same(runs[0][1], runs[1][1])
    assert runs[0][2] == runs[1][2]
    assert not same(runs[0][0], runs[2][0])


@pytest.mark.parametrize("steps", [1, 4, 5, 6])
def test_max_steps_is_exact_and_ends_with_a_validation(make_training, steps: int) -> None:
    at = make_training(max_steps=steps).run()
    assert at.step == steps
    assert at.history[-1].step == steps
    assert "validation/accuracy" in at.history[-1].metrics


def test_the_nearest_bound_ends_the_training(make_training) -> None:
    at = make_training(max_steps=100, max_epochs=2).run()
    assert (at.epoch, at.step) == (2, 10)
    at = make_training(max_steps=3, max_epochs=2).run()
    assert at.step == 3


def test_max_minutes_ends_the_training(make_training) -> None:
    at = make_training(max_minutes=0.3 / 60).run()
    assert at.seconds >= 0.3
    assert at.step >= 1 and at.best_score is not None


@pytest.mark.parametrize(("every", "steps"), [(1.0, [5, 10]), (0.5, [3, 5, 8, 10]), (2.0, [10])])
def test_validation_comes_when_it_is_due(make_training, every: float, steps: list[int]) -> None:
    at = make_training(max_epochs=2, validate_every=every).run()
    assert [p.step for p in at.history if "validation/accuracy" in p.metrics] == steps


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_two_half_batches_move_the_weights_as_one_whole_does(make_training, optimizer) -> None:
    options = {"dropout": False, "double": True, "optimizer": optimizer, "lr": 0.1}
    results = []
    for accumulate in (1, 2):
        training = make_training(max_steps=1, accumulate=accumulate, **options)
        whole = list(range(12))
        parts = [whole] if accumulate == 1 else [whole[:5], whole[5:]]
        training.batches = [Portion(rows) for rows in parts]
        before = weights_of(training)
        training.run()
        results.append(weights_of(training))
    for name, tensor in results[0].items():
        torch.testing.assert_close(results[1][name], tensor, rtol=0, atol=1e-10)
    assert not same(before, results[1])


def test_accumulation_counts_updates_not_batches(make_training) -> None:
    at = make_training(max_epochs=2, accumulate=2).run()  # five batches: 2 + 2 + 1
    assert (at.step, at.epoch) == (6, 2)


def test_the_gradient_is_clipped(make_training) -> None:
    options = {"optimizer": "sgd", "lr": 1.0, "max_steps": 1, "dropout": False}
    moved = {}
    for norm in (None, 1e-3):
        training = make_training(clip_norm=norm, **options)
        before = weights_of(training)
        training.run()
        after = weights_of(training)
        squares = sum(float((after[n] - before[n]).square().sum()) for n in before)
        moved[norm] = squares**0.5
    assert moved[1e-3] == pytest.approx(1e-3, rel=1e-2)
    assert moved[None] > 0.01


@pytest.mark.parametrize(("primary", "values"), [("accuracy", [0.2, 0.7, 0.5, 0.6])])
def test_the_weights_kept_are_those_of_the_best_validation(
    make_training, primary: str, values: list[float]
) -> None:
    seen: list[dict[str, torch.Tensor]] = []

    def scores() -> Scripted:
        seen.append(weights_of(training))
        return Scripted(given)

    given = list(values)
    training = make_training(max_epochs=4, primary=primary, scores=scores)
    at = training.run()
    assert (at.best_score, at.best_epoch, at.best_step) == (0.7, 2.0, 10)
    assert same(training.best, seen[1])
    assert not same(training.best, seen[3])


def test_the_average_is_kept_where_it_scores_better(make_training) -> None:
    values = [0.3, 0.4, 0.6, 0.5]  # newest, average; newest, average
    training = make_training(max_epochs=2, average=0.9, scores=lambda: Scripted(values))
    at = training.run()
    assert (at.best_score, at.best_is_average) == (0.6, False)
    values = [0.3, 0.4, 0.2, 0.35]
    training = make_training(max_epochs=2, average=0.9, scores=lambda: Scripted(values))
    at = training.run()
    assert (at.best_score, at.best_is_average, at.best_epoch) == (0.4, True, 1.0)


def test_patience_ends_the_training_so_many_epochs_after_the_best(make_training) -> None:
    values = [0.1, 0.5, 0.4, 0.5, 0.45, 0.9, 0.9]
    training = make_training(max_epochs=7, patience=3, scores=lambda: Scripted(values))
    at = training.run()
    assert (at.epoch, at.best_epoch, at.best_score) == (5, 2.0, 0.5)


def test_patience_waits_for_the_next_validation(make_training) -> None:
    values = [0.1, 0.5, 0.4, 0.9]
    options = {"patience": 1, "validate_every": 2.0, "max_epochs": 8}
    at = make_training(scores=lambda: Scripted(values), **options).run()
    assert (at.epoch, at.best_epoch) == (6, 4.0)


def test_bf16_trains_with_weights_kept_in_float32(make_training) -> None:
    training = make_training(max_epochs=5, lr=0.05, dropout=False, precision="bf16")
    at = training.run()
    losses = [p.metrics["train/loss"] for p in at.history if "train/loss" in p.metrics]
    assert losses[-1] < losses[0] / 2
    assert {tensor.dtype for tensor in training.best.values()} == {torch.float32}
    whole = make_training(max_epochs=5, lr=0.05, dropout=False)
    whole.run()
    assert not same(training.best, whole.best)


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_other_optimizers_train_too(make_training, optimizer: str) -> None:
    at = make_training(
        max_epochs=4, lr=0.05, optimizer=optimizer, momentum=0.5, dropout=False
    ).run()
    losses = [p.metrics["train/loss"] for p in at.history if "train/loss" in p.metrics]
    assert losses[-1] < losses[0]


def test_the_tracker_hears_every_point_of_the_history(make_training) -> None:
    heard = []
    training = make_training(max_epochs=2, on_metrics=lambda *point: heard.append(point))
    at = training.run()
    assert heard == [(p.step, p.timestamp_ms, p.metrics) for p in at.history]
    assert len({step for step, _, _ in heard}) >= 8


@pytest.mark.parametrize(
    ("bounds", "said"),
    [
        ({"max_epochs": 4}, ""),
        ({"max_epochs": 6, "max_minutes": 2}, "trainer.max_minutes=2 ended"),
        ({"max_epochs": 6, "max_steps": 40}, "trainer.max_steps=40 ended"),
        ({"patience": 2}, "trainer.patience=2 ended the training at epoch 4.0"),
    ],
)
def test_what_ended_a_training_early_is_said(bounds: dict[str, int], said: str) -> None:
    trainer = {"max_epochs": None, "max_steps": None, "max_minutes": None, "patience": None}
    at = Progress(epoch=4, step=40, seconds=121.0)
    assert at.ended_early({**trainer, **bounds}, 10).startswith(said)
    assert bool(at.ended_early({**trainer, **bounds}, 10)) == bool(said)

"""Tasks, each with one fault. `CAUGHT_BY` says which check is meant for it."""

from __future__ import annotations

import random
from typing import Any

import torch
import torch.nn.functional as F
from parity import Accuracy, BitEncoding, BitInputs, Bits, Parity, ParityHead

from seqline_plugins import Metric
from seqline_tasks.text_to_text.inputs import PieceInputs
from seqline_tasks.translation import Translation

CAUGHT_BY: dict[str, str] = {}


def caught_by(check: str) -> Any:
    def note(mutant: type) -> type:
        CAUGHT_BY[mutant.__name__] = check
        return mutant

    return note


@caught_by("perfect_prediction_scores_best")
class TurnsItsMetricRound(Parity):
    """A higher accuracy is said to be worse."""

    metrics = (Metric("accuracy", "lower"),)


class _Leaks(Bits):
    def read(self, data: Any) -> Any:
        splits = super().read(data)
        return {**splits, "test": splits["train"][:50]}


@caught_by("splits_are_disjoint")
class TestsWhatItLearned(Parity):
    """The test's examples are training examples."""

    source = _Leaks


class _Unseeded(Bits):
    def read(self, data: Any) -> Any:
        splits = super().read(data)
        random.shuffle(splits["train"])
        return splits


@caught_by("builtin_data_are_there")
class ReadsInAnyOrder(Parity):
    """The same data come in another order each time."""

    source = _Unseeded


class _Forgetful(Bits):
    def fingerprint(self, data: Any) -> dict[str, Any]:
        return {"source": data.source}


@caught_by("fingerprint_tells_the_data")
class ForgetsTheSeed(Parity):
    """Another seed's data would be taken for these."""

    source = _Forgetful


class _Unmeasured(Bits):
    def baseline(self, splits: Any) -> dict[str, float]:
        return {}


@caught_by("baseline_is_there")
class HasNoBaseline(Parity):
    """Nothing stands beside its score."""

    source = _Unmeasured


class _Amnesic(BitEncoding):
    def encode(self, examples: Any) -> Any:
        rows = super().encode(examples)
        rows.columns["odd"].values[:] *= len(self.answers) > 1
        return rows

    @classmethod
    def load(cls, folder: Any) -> Any:
        return cls(["even"])


@caught_by("encoding_survives_storing")
class ForgetsItsVocabulary(Parity):
    """What was learned from the training data is not stored."""

    encoding = _Amnesic


class _CountsAll(ParityHead):
    def loss(self, hidden: Any, batch: Any) -> Any:
        targets = batch["odd"].clamp(min=0)
        scores = self.softmax.scores(hidden).flatten(0, 1)
        return F.cross_entropy(scores, targets.flatten(), reduction="sum"), (targets >= 0).sum()


@caught_by("padding_costs_nothing")
class LearnsThePadding(Parity):
    """Padding counts as a target."""

    head = _CountsAll


class _Mean(ParityHead):
    def loss(self, hidden: Any, batch: Any) -> Any:
        summed, count = super().loss(hidden, batch)
        return summed / count, count


@caught_by("padding_costs_nothing")
class DividesItsLoss(Parity):
    """The loss is a mean where a sum is asked for."""

    head = _Mean


class _TwoLosses(ParityHead):
    def step_losses(self, hidden: Any, batch: Any) -> Any:
        return 2 * super().step_losses(hidden, batch)


@caught_by("losses_of_steps_add_up")
class HasTwoLosses(Parity):
    """By steps it learns something else."""

    head = _TwoLosses


class _Sigmoids(ParityHead):
    def probabilities(self, hidden: Any) -> Any:
        return self.softmax.scores(hidden).sigmoid()


@caught_by("probabilities_are_some")
class DoesNotNormalise(Parity):
    """Its probabilities do not sum to one."""

    head = _Sigmoids


class _Chatty(Accuracy):
    def compute(self) -> dict[str, float]:
        return {**super().compute(), "f1": 0.5}


@caught_by("metrics_are_those_declared")
class ReportsMore(Parity):
    """A figure that is not declared."""

    scoring = _Chatty


class _Cut(BitInputs):
    def forward(self, batch: Any) -> Any:
        features, lengths = super().forward(batch)
        return features - features.mean(dim=(0, 1), keepdim=True), lengths


@caught_by("batches_are_sound")
class NormsOverTheBatch(Parity):
    """A row's features depend on those beside it."""

    inputs = _Cut


@caught_by("encoding_is_reversible")
class WritesHalf(Parity):
    """The text of an example leaves its last bit out."""

    def text_of(self, example: Any) -> str:
        return super().text_of({"bits": example["bits"][:-1]})


@caught_by("answers_are_in_its_own_words")
class ShowsNothing(Parity):
    """A person sees no sample."""

    def samples(self, examples: Any, predicted: Any) -> list[str]:
        return []


@caught_by("parts_are_declared")
class NamesAnotherPrimary(Parity):
    """The metric that chooses is none that it has."""

    primary = "f1"


class _Late(PieceInputs):
    def feedback(self, sample: Any) -> Any:
        return super().feedback(torch.roll(sample + 1, 0) % len(self.encoding.target))


@caught_by("feedback_is_what_training_feeds")
class FeedsAnother(Translation):
    """A search feeds another piece back than training does."""

    inputs = _Late

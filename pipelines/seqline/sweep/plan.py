"""Which children a sweep runs next: every combination, or what a search draws."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from seqline.sweep.process import Outcome
from seqline.sweep.space import Space


@dataclass(frozen=True)
class Draw:
    """One child to run: its number and the value of every key."""

    number: int
    values: Mapping[str, str]


class Plan(Protocol):
    """Says what is run and hears how it goes; called from the children's threads."""

    size: int

    def draws(self) -> Iterator[Draw]:
        """Yield the children that are still to run; the next is asked for when there is room."""

    def heard(self, draw: Draw, progress: Mapping[str, Any]) -> bool:
        """Hear how far a child's training is; return whether it is to be ended early."""

    def ended(self, draw: Draw, outcome: Outcome) -> None:
        """Hear how a child ended."""


class Grid:
    """Every combination, those that are done left out."""

    def __init__(self, space: Space, done: set[int]) -> None:
        self.size, self._space, self._done = space.size, space, done

    def draws(self) -> Iterator[Draw]:
        """Yield the combinations in their order."""
        for number in range(self.size):
            if number not in self._done:
                yield Draw(number, self._space.values(number))

    def heard(self, draw: Draw, progress: Mapping[str, Any]) -> bool:
        """No combination is ended early."""
        return False

    def ended(self, draw: Draw, outcome: Outcome) -> None:
        """Nothing is learned from it."""


class Search:
    """What Optuna's tree of Parzen estimators draws (Bergstra et al. 2011); the study lasts.

    `primary` and `direction` are those of the metric that is searched for. A study that is
    opened again first gives the trials that were under way, then tries once more those that
    failed; what is drawn next depends on the seed and the trials before, not on when the sweep
    was interrupted.
    """

    def __init__(
        self, space: Space, settings: Any, url: str, name: str, direction: str, every: float
    ) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._optuna, self._space, self._settings = optuna, space, settings
        self._every = every
        self._lock = threading.RLock()
        self._trials: dict[int, Any] = {}
        pruners = {
            "median": optuna.pruners.MedianPruner(n_startup_trials=4),
            "hyperband": optuna.pruners.HyperbandPruner(),
            "none": optuna.pruners.NopPruner(),
        }
        self._study = optuna.create_study(
            study_name=name,
            storage=url,
            load_if_exists=True,
            direction="maximize" if direction == "higher" else "minimize",
            pruner=pruners[settings.prune],
        )
        self._distributions = {
            axis.key: _distribution(optuna, axis) for axis in space.axes if axis.varies
        }
        states = optuna.trial.TrialState
        known = self._study.get_trials(deepcopy=False)
        self._open = [one for one in known if one.state == states.RUNNING]
        again = {one.user_attrs["again"] for one in known if "again" in one.user_attrs}
        failed = [one for one in known if one.state == states.FAIL]
        for one in failed:
            if one.number not in again and not self._later_twin(one, known):
                self._study.enqueue_trial(one.params, user_attrs={"again": one.number})
        retried = sum(1 for one in self._study.get_trials() if "again" in one.user_attrs)
        self.size = settings.trials + retried

    def draws(self) -> Iterator[Draw]:
        """Yield trials until there are as many as asked for."""
        while True:
            with self._lock:
                draw = self._next()
            if draw is None:
                return
            yield draw

    def heard(self, draw: Draw, progress: Mapping[str, Any]) -> bool:
        """Report a validation's figure; the pruner says whether it is worth going on."""
        if progress.get("primary") is None:
            return False
        step = int(progress["epoch"] / self._every + 1e-9)
        with self._lock:
            trial = self._trials[draw.number]
            trial.report(progress["primary"], step)
            return bool(trial.should_prune())

    def ended(self, draw: Draw, outcome: Outcome) -> None:
        """Tell the study; a child that was interrupted goes on the next time."""
        states = self._optuna.trial.TrialState
        with self._lock:
            trial = self._trials.pop(draw.number)
            if outcome.status == "finished":
                self._study.tell(trial, outcome.value)
            elif outcome.status == "pruned":
                self._study.tell(trial, state=states.PRUNED)
            elif outcome.status == "failed":
                self._study.tell(trial, state=states.FAIL)

    def _next(self) -> Draw | None:
        if self._open:
            frozen = self._open.pop(0)
            trial = self._optuna.trial.Trial(self._study, frozen._trial_id)
        else:
            begun = [
                one
                for one in self._study.get_trials(deepcopy=False)
                if one.state != self._optuna.trial.TrialState.WAITING
            ]
            if len(begun) >= self.size:
                return None
            self._study.sampler = self._optuna.samplers.TPESampler(
                seed=self._settings.seed + len(begun), constant_liar=True
            )
            trial = self._study.ask(self._distributions)
        self._trials[trial.number] = trial
        values = {
            axis.key: _spelled(trial.params[axis.key]) if axis.varies else axis.values[0]
            for axis in self._space.axes
        }
        return Draw(trial.number, values)

    @staticmethod
    def _later_twin(failed: Any, known: list[Any]) -> bool:
        return any(one.number > failed.number and one.params == failed.params for one in known)


def _distribution(optuna: Any, axis: Any) -> Any:
    made = optuna.distributions
    if axis.interval is not None:
        one = axis.interval
        if one.whole:
            return made.IntDistribution(int(one.low), int(one.high), log=one.log)
        return made.FloatDistribution(one.low, one.high, log=one.log)
    if axis.step is not None:  # a range: its numbers are in order
        numbers = [float(value) for value in axis.values]
        low, high = min(numbers), max(numbers)
        if all(number.is_integer() for number in numbers) and "." not in "".join(axis.values):
            return made.IntDistribution(int(low), int(high), step=abs(int(axis.step)))
        return made.FloatDistribution(low, high, step=abs(axis.step))
    return made.CategoricalDistribution(axis.values)


def _spelled(value: Any) -> str:
    return repr(value) if isinstance(value, float) else str(value)

"""The training loop: updates until a bound is reached, the best weights kept.

Everything that moves is in `Training`, and `Training.save` writes all of it (see `moving`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from seqline.model import SequenceModel
from seqline.reporter import Reporter, TrainingProgress
from seqline.training.averaging import running_average
from seqline.training.batches import Portion, Windows, cut_in_time, training_batches
from seqline.training.checkpoint import load_checkpoint, newest_intact, save_checkpoint
from seqline.training.gradient import Gradient, Sums
from seqline.training.inference import Scores, Search, is_walked, score
from seqline.training.interrupt import Interruptible
from seqline.training.memory import AFTER, PIECES, give_back, out_of_memory
from seqline.training.moving import put_back, taken
from seqline.training.optimizer import learning_rate, make_optimizer
from seqline.training.progress import Progress
from seqline.training.serving import other_kernels
from seqline.training.showing import Show
from seqline_plugins.architecture import State
from seqline_plugins.errors import UserError
from seqline_plugins.task.metrics import Metric, Metrics
from seqline_plugins.task.source import Example
from seqline_plugins.task.split import EncodedSplit

OnMetrics = Callable[[int, int, dict[str, float]], None]
POINTS = 10
"""Points of the training loss in an epoch."""


@dataclass(frozen=True)
class Watchers:
    """Who hears of a training: the person, the tracking store; where its checkpoints go.

    `time_of(step, names)` returns when figures were measured by an attempt before this one.
    """

    reporter: Reporter
    checkpoints: Path
    on_metrics: OnMetrics | None = None
    time_of: Callable[[int, Iterable[str]], int | None] | None = None

    @property
    def shown(self) -> Path:
        """Where samples of validations wait for the end of the training."""
        return self.checkpoints / "shown"


class Training:
    """One training of a model; `run` goes on from wherever it stands."""

    def __init__(
        self,
        model: SequenceModel,
        splits: Mapping[str, EncodedSplit],
        trainer: Mapping[str, Any],
        *,
        metrics: Callable[[], Metrics],
        primary: Metric,
        accelerator: Any,
        watchers: Watchers,
        validation: Sequence[Example] = (),
        search: Search | None = None,
        show: Show | None = None,
        loss: Mapping[str, Any] | None = None,
    ) -> None:
        self.validation, self.search, self.show = validation, search, show
        self.splits, self.trainer, self.watchers = splits, trainer, watchers
        self.metrics, self.primary = metrics, primary
        self.accelerator, self.device = accelerator, accelerator.device
        self.forward, self.optimizer = accelerator.prepare(
            model, make_optimizer(model.parameters(), trainer)
        )
        self.model: SequenceModel = accelerator.unwrap_model(self.forward)
        self.gradient = Gradient(self.forward, self.model, accelerator, loss or {})
        decay = trainer["average"]
        self.average = running_average(self.model, decay) if decay else None
        self.best = _copy(self.model)
        self.at = Progress()
        self.carried: State | None = None
        """What the newest portion left, for the next one of the same rows to begin with."""
        self.read = self._training_split()
        self.batches = self.batches_of_epoch()
        self.kernels: dict[str, str] = {}
        self._told = self._saved = time.monotonic()

    def run(self) -> Progress:
        """Train until a bound is reached; `best` then holds the weights to keep.

        Raises `KeyboardInterrupt` after Ctrl-C, when a checkpoint is written.
        """
        with Interruptible() as interrupt:
            while not self.at.finished:
                self._update()
                self._compare_kernels()
                if self._validation_due():
                    self._validate()
                self.at.finished = self._bound_reached()
                self._tell()
                if self.at.position >= len(self.batches):
                    self.at.epoch, self.at.position = self.at.epoch + 1, 0
                    self.batches, self.carried = self.batches_of_epoch(), None
                minutes = (time.monotonic() - self._saved) / 60
                if interrupt.asked or minutes >= self.trainer["checkpoint_minutes"]:
                    self.save()
                if interrupt.asked:
                    raise KeyboardInterrupt
        return self.at

    def _compare_kernels(self) -> None:
        """Say once where the kernels of before a checkpoint cannot serve any more."""
        before, self.kernels = self.kernels, {}
        changed = other_kernels(self.model, before)
        if changed:
            self.at.other_kernels += changed
            self.watchers.reporter.warn(
                f"the training goes on with other kernels than it had ({', '.join(changed)}): "
                "the bits of an undisturbed run are no longer promised. Was a compiler removed? "
                "trainer.kernel chooses one that is always there."
            )

    def _training_split(self) -> EncodedSplit:
        """Return the training data as they are read: running text as streams side by side."""
        split = self.splits["train"]
        self.walked = is_walked(self.model, split)
        if not self.walked:
            return split.seen_by(self.model.kind)
        size, tokens = self.trainer["batch_size"], self.trainer["batch_tokens"]
        rows = size or max(1, (tokens or 1) // self.trainer["bptt_steps"])
        streams = split.streams(rows)
        assert streams is not None
        return streams

    def batches_of_epoch(self) -> Sequence[Portion]:
        """Return the batches, or windows in time, of the epoch under way."""
        steps = self.trainer["bptt_steps"]
        if self.walked:
            return Windows(len(self.read.lengths), int(self.read.lengths[0]), steps)
        batches = training_batches(
            self.read.lengths,
            batch_size=self.trainer["batch_size"],
            batch_tokens=self.trainer["batch_tokens"],
            seed=self.trainer["seed"],
            epoch=self.at.epoch,
        )
        return cut_in_time(batches, self.read.lengths, steps)

    def _update(self) -> None:
        """One step of the optimizer: the mean loss over the targets of `accumulate` batches."""
        started = time.perf_counter()
        batches = self.batches[self.at.position : self.at.position + self.trainer["accumulate"]]
        try:
            sums = self._gradient(batches)
        except Exception as error:
            if self.at.pieces > 1 or not out_of_memory(error):
                raise
            self._take_pieces()
            sums = self._gradient(batches)
        if self.trainer["clip_norm"] is not None:
            self.accelerator.clip_grad_norm_(self.model.parameters(), self.trainer["clip_norm"])
        share = self.at.share_done(self.trainer, len(self.batches))
        for parameters in self.optimizer.param_groups:
            parameters["lr"] = learning_rate(self.trainer, self.at.step, share)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        if self.average is not None:
            self.average.update_parameters(self.model)
        self.at.step += 1
        if self.trainer["spare_memory"] and self.at.step % AFTER == 0:
            give_back()
        self.at.position += len(batches)
        self.at.tokens += sums.tokens
        self.at.loss_sum += sums.loss
        self.at.loss_count += sums.targets
        spent = time.perf_counter() - started
        self.at.seconds, self.at.busy_seconds = (
            self.at.seconds + spent,
            self.at.busy_seconds + spent,
        )
        if self.at.step % max(1, len(self.batches) // self.trainer["accumulate"] // POINTS) == 0:
            self._record({})

    def _gradient(self, portions: Sequence[Portion]) -> Sums:
        """Set the gradient of one update, and what is carried into the next."""
        done = self.at.share_done(self.trainer, len(self.batches))
        pieces = self.at.pieces
        sums = self.gradient.add(portions, self.read, self.carried, pieces=pieces, done=done)
        self.carried = sums.carried
        return sums

    def _take_pieces(self) -> None:
        """From here on take each batch in parts: the same update, to other bits, in less memory."""
        self.at.pieces = PIECES
        self.optimizer.zero_grad(set_to_none=True)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        self.watchers.reporter.warn(
            f"out of memory in update {self.at.step + 1}: from here on each batch is taken in "
            f"{PIECES} parts, its update the same. The bits of an undisturbed run are no longer "
            "promised."
        )

    def _validation_due(self) -> bool:
        epochs, every = self.at.epochs(len(self.batches)), self.trainer["validate_every"]
        passed = int(epochs / every + 1e-9) > int(self.at.validated_at / every + 1e-9)
        return passed or self._last_step()

    def _bound_reached(self) -> bool:
        return self._last_step() or self.at.out_of_patience(self.trainer)

    def _last_step(self) -> bool:
        return self.at.share_done(self.trainer, len(self.batches)) >= 1 - 1e-9

    def _validate(self) -> None:
        """Score the newest weights and their average; keep the best there has been."""
        started = time.perf_counter()
        candidates: list[tuple[nn.Module, bool]] = [(self.model, False)]
        if self.average is not None:
            candidates.append((self.average.module, True))
        scored = [(self._score(model), model, averaged) for model, averaged in candidates]
        name, higher = self.primary.name, self.primary.direction == "higher"
        best = max(scored, key=lambda one: one[0].metrics[name] * (1 if higher else -1))
        scores, model, averaged = best
        value = scores.metrics[name]
        epochs = self.at.epochs(len(self.batches))
        before = self.at.best_score
        if before is None or (value > before if higher else value < before):
            self.best = _copy(model)
            self.at.best_score, self.at.best_is_average = value, averaged
            self.at.best_step, self.at.best_epoch = self.at.step, epochs
        self.at.validated_at, self.at.validation = epochs, value
        if self.show is not None:
            assert isinstance(model, SequenceModel)
            self.show(model, self.watchers.shown / f"step-{self.at.step:06d}")
        self.at.seconds += time.perf_counter() - started
        self._record({"validation/loss": scores.loss, f"validation/{name}": value})

    def _score(self, model: nn.Module) -> Scores:
        assert isinstance(model, SequenceModel)
        split, search = self.splits["validation"], self.search
        return score(model, split, self.validation, self.metrics(), self.device, search)

    def _record(self, metrics: dict[str, float]) -> None:
        if self.at.loss_count:
            metrics = {"train/loss": self.at.loss_sum / self.at.loss_count, **metrics}
            self.at.loss_sum, self.at.loss_count = 0.0, 0
        now = time.time_ns() // 1_000_000
        if self.watchers.time_of is not None:
            now = self.watchers.time_of(self.at.step, metrics) or now
        point = self.at.record(self.at.epochs(len(self.batches)), metrics, now)
        if self.watchers.on_metrics is not None:
            self.watchers.on_metrics(point.step, point.timestamp_ms, point.metrics)

    def _tell(self) -> None:
        if time.monotonic() - self._told < 0.2 and not self.at.finished:
            return
        self._told = time.monotonic()
        losses = [
            p.metrics["train/loss"] for p in self.at.history[-POINTS:] if "train/loss" in p.metrics
        ]
        recent = self.at.loss_sum / self.at.loss_count if self.at.loss_count else float("nan")
        share = self.at.share_done(self.trainer, len(self.batches))
        self.watchers.reporter.training(
            TrainingProgress(
                epoch=self.at.epochs(len(self.batches)),
                max_epochs=self.trainer["max_epochs"],
                step=self.at.step,
                loss=losses[-1] if losses else recent,
                primary_name=self.primary.name,
                primary=self.at.validation,
                tokens_per_second=self.at.tokens / max(1e-9, self.at.busy_seconds),
                seconds_left=self.at.seconds_left(share),
            )
        )

    def save(self) -> Path:
        """Write a checkpoint of everything that moves."""
        tensors, state = taken(self)
        path = save_checkpoint(self.watchers.checkpoints, self.at.step, tensors, state)
        self._saved = time.monotonic()
        return path

    def resume(self) -> None:
        """Go on from the newest checkpoint that is intact, if there is one, saying so."""
        reporter = self.watchers.reporter
        path = newest_intact(self.watchers.checkpoints, reporter.warn)
        if path is None:
            return
        try:
            self.restore(path)
        except (KeyError, RuntimeError, ValueError, SafetensorError) as error:
            first = str(error).strip().splitlines()[0]
            raise UserError(f"{path}: does not fit the model of now ({first}).") from error
        if self.watchers.on_metrics is not None:
            for point in self.at.history:
                self.watchers.on_metrics(point.step, point.timestamp_ms, point.metrics)
        epochs = self.at.epochs(len(self.batches))
        reporter.say(f"the training goes on after step {self.at.step}, epoch {epochs:.2f}")

    def restore(self, path: Path) -> None:
        """Go back to what a checkpoint holds; what follows is as if it had never stopped."""
        put_back(self, *load_checkpoint(path))


def _copy(model: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.detach().cpu().clone() for name, tensor in model.state_dict().items()}

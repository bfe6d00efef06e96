"""Checks of a task, on some of its built-in data.

A perfect prediction is had without knowing what the task is: hidden features themselves are
moved until the head's loss is small, and what the head then predicts is the truth.
Letters: B batch, T time, I features per step, H hidden features.
"""

from __future__ import annotations

import dataclasses
import json
import math
import tempfile
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from seqline_plugins.architecture import Kind
from seqline_plugins.conformance import options
from seqline_plugins.conformance.subject import TaskSubject, apart
from seqline_plugins.conformance.verdict import Checks, NotApplicableError, WrongError
from seqline_plugins.errors import UserError
from seqline_plugins.options import slots
from seqline_plugins.sources import DataSource
from seqline_plugins.task import Batch, EncodedSplit, Encoding, Example, Head, Inputs, Metric, Task

CHECKS = Checks(options.CHECKS)
PARTS = ("train", "validation", "test")
LEARNED, ROWS, HIDDEN = 400, 8, 16
"""Training examples that the encoding is built from, examples of a batch, hidden features."""
SHARED = 0.1
"""Share of the test's longer examples that may be in the training data too."""
LOSS: Mapping[str, Any] = {"label_smoothing": 0.0}


class Material:
    """What a task makes of its built-in data, each part when it is first asked for."""

    def __init__(self, subject: TaskSubject) -> None:
        config = subject.configured()
        for place in slots(type(config)):
            *outer, last = place.split(".")
            holder = config
            for part in outer:
                holder = getattr(holder, part)
            setattr(holder, last, {"name": "gru"})
        self.task: Task = subject.plugin(config)
        self.config = config
        self.source = self.task.source(config)
        self.data = DataSource()

    @cached_property
    def splits(self) -> dict[str, Sequence[Example]]:
        """The raw examples."""
        return dict(self.source.read(self.data))

    @cached_property
    def encoding(self) -> Encoding:
        """Built from some of the training examples."""
        return self.task.encoding.build(list(self.splits["train"][:LEARNED]), self.config)

    @cached_property
    def examples(self) -> list[Example]:
        """Some training examples, one short and one long among them."""
        learned = list(self.splits["train"][:LEARNED])
        lengths = list(self.encoding.encode(learned).lengths)
        order = sorted(range(len(learned)), key=lambda row: int(lengths[row]))
        order = [row for row in order if int(lengths[row]) > 1] or order
        step = max(1, len(order) // (2 * ROWS))
        return [learned[row] for row in order[: step * ROWS : step]]

    @cached_property
    def split(self) -> EncodedSplit:
        """The examples in numbers."""
        return self.encoding.encode(self.examples)

    @cached_property
    def batch(self) -> Batch:
        """All of them as one batch."""
        return self.split.batch(range(len(self.examples)))

    @cached_property
    def inputs(self) -> Inputs:
        """The trainable start, evaluating."""
        torch.manual_seed(0)
        return self.task.inputs(self.config, self.encoding, "reference").eval()

    @cached_property
    def head(self) -> Head:
        """The trainable end, evaluating."""
        torch.manual_seed(0)
        head = self.task.head(self.config, self.encoding, HIDDEN, LOSS).eval()
        head.tie(self.inputs)
        return head

    def hidden(self, batch: Batch, seed: int = 0) -> Tensor:
        """Return random hidden features as an architecture would give for a batch."""
        output = self.task.kinds[0].output
        features, _ = self.inputs.targets(batch) if output == "sequence" else self.inputs(batch)
        draw = torch.Generator().manual_seed(seed)
        shape = (len(features), HIDDEN)
        if output != "entity":
            shape = (len(features), features.shape[1], HIDDEN)  # type: ignore[assignment]
        return torch.randn(shape, generator=draw)

    @cached_property
    def perfect(self) -> Tensor:
        """Hidden features from which the head predicts the truth, as near as it can."""
        hidden = self.hidden(self.batch).requires_grad_()
        rule = torch.optim.Adam([hidden], lr=0.3)
        for _ in range(150):
            rule.zero_grad()
            summed, count = self.head.loss(hidden, self.batch)
            (summed / count.clamp(min=1)).backward()
            rule.step()
        return hidden.detach()

    def figures(self, hidden: Tensor) -> dict[str, float]:
        """Return what the task's metrics say of what the head predicts from hidden features."""
        scoring = self.task.scoring(self.config, self.encoding)
        with torch.no_grad():
            predicted = self.head.predict(hidden)
            summed, count = self.head.loss(hidden, self.batch)
        scoring.update(predicted, self.batch, self.examples)
        scoring.add_loss(float(summed), int(count))
        return scoring.compute()


def material(subject: TaskSubject) -> Material:
    """Return a subject's material, read once."""
    found: Material | None = getattr(subject, "material", None)
    if found is None:
        found = subject.material = Material(subject)  # type: ignore[attr-defined]
    return found


@CHECKS.add
def parts_are_declared(task: TaskSubject) -> None:
    """Kinds, metrics, the primary one and the six parts are there, of their types."""
    plugin = task.plugin
    wanted: dict[str, type] = {"inputs": Inputs, "head": Head, "encoding": Encoding}
    for name in ("kinds", "metrics", "primary", "source", "split", "scoring", *wanted):
        if not hasattr(plugin, name):
            raise WrongError(f"class {plugin.__name__} names no {name}.")
    for name, contract in wanted.items():
        if not issubclass(getattr(plugin, name), contract):
            raise WrongError(f"its {name} is no subclass of {contract.__name__}.")
    if not plugin.kinds or not all(isinstance(kind, Kind) for kind in plugin.kinds):
        raise WrongError("kinds must be a tuple of Kind(input, output), one at least.")
    names = [metric.name for metric in plugin.metrics]
    if plugin.primary not in names or len(set(names)) < len(names):
        raise WrongError(
            f"primary is '{plugin.primary}', expected one of its metrics, each named once: "
            f"{', '.join(names)}."
        )


@CHECKS.add
def builtin_data_are_there(task: TaskSubject) -> None:
    """`data=builtin` gives three splits, none of them empty, the same each time."""
    found = material(task)
    splits = found.splits
    for name in PARTS:
        if name not in splits or not len(splits[name]):
            raise WrongError(f"data=builtin gives no examples of the split '{name}'.")
    again = found.task.source(found.config).read(DataSource())
    for name in PARTS:
        rows = min(50, len(splits[name]))
        if list(again[name][:rows]) != list(splits[name][:rows]):
            raise WrongError(
                f"read twice, '{name}' differs: draw from data.seed alone, sort what has no order."
            )


@CHECKS.add
def fingerprint_tells_the_data(task: TaskSubject) -> None:
    """The fingerprint is plain values, the same for the same data and another for others."""
    source = material(task).source
    first, second = source.fingerprint(DataSource()), source.fingerprint(DataSource())
    if first != second:
        raise WrongError("asked twice, the fingerprint differs: nothing would ever be reused.")
    try:
        json.dumps(first)
    except TypeError as error:
        raise WrongError(f"the fingerprint must be plain JSON values ({error}).") from error
    try:
        others = source.read(DataSource(seed=1))
    except UserError:
        return
    rows = min(50, len(others["train"]))
    moved = list(others["train"][:rows]) != list(material(task).splits["train"][:rows])
    if moved and source.fingerprint(DataSource(seed=1)) == first:
        raise WrongError(
            "data.seed changes the data but not the fingerprint, so that old data would be "
            "reused: return data.seed in it."
        )


@CHECKS.add
def splits_are_disjoint(task: TaskSubject) -> None:
    """Hardly a longer test or validation example stands in the training data too."""
    found = material(task)
    train = {_written(one) for one in found.splits["train"]}
    for name in ("validation", "test"):
        texts = sorted({_written(one) for one in found.splits[name]}, key=len)
        longer = texts[len(texts) // 2 :]
        shared = sum(text in train for text in longer) / len(longer)
        if shared > SHARED and not found.source.warnings(found.splits):
            raise WrongError(
                f"{shared:.0%} of the longer {name} examples are in the training data too: deal "
                "the examples before anything is drawn twice, or say so in Source.warnings."
            )


@CHECKS.add
def baseline_is_there(task: TaskSubject) -> None:
    """A trivial baseline stands beside the primary metric, and perfection is no worse."""
    found = material(task)
    baseline = found.source.baseline(found.splits)
    primary = _primary(found)
    value = baseline.get(primary.name)
    if value is None or not math.isfinite(value):
        raise WrongError(
            f"baseline() gives no '{primary.name}' ({', '.join(baseline) or 'nothing'}): say what "
            "a guess without learning scores on the test split, the most frequent answer for one."
        )
    unknown = set(baseline) - {metric.name for metric in found.task.metrics}
    if unknown:
        raise WrongError(f"baseline() gives '{min(unknown)}', which is none of its metrics.")


@CHECKS.add
def encoding_survives_storing(task: TaskSubject) -> None:
    """Encoding and split give the same batches after `save` and `load`."""
    found = material(task)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "encoding").mkdir()
        (folder / "split").mkdir()
        found.encoding.save(folder / "encoding")
        found.split.save(folder / "split")
        loaded = found.task.encoding.load(folder / "encoding")
        kept = found.task.split.load(folder / "split")
        rows = range(len(found.examples))
        for what, split in (("encoding", loaded.encode(found.examples)), ("split", kept)):
            again = split.batch(rows)
            for key, tensor in found.batch.items():
                if key not in again or not torch.equal(again[key], tensor):
                    raise WrongError(
                        f"after save and load the {what} gives another '{key}': store all that "
                        "encode and batch read."
                    )


@CHECKS.add
def encoding_is_reversible(task: TaskSubject) -> None:
    """An example written as text and read again is the same in numbers, where text is read."""
    found = material(task)
    try:
        lines = [found.task.text_of(example) for example in found.examples]
        parsed = list(found.task.parse(lines, "check"))
    except (UserError, NotImplementedError) as error:
        raise NotApplicableError(f"it reads no text ({error})") from error
    if len(parsed) != len(lines):
        raise WrongError(f"parse reads {len(parsed)} examples from {len(lines)} lines of text_of.")
    batch = found.encoding.encode(parsed).batch(range(len(parsed)))
    with torch.no_grad():
        wanted, lengths = found.inputs(found.batch)
        features, steps = found.inputs(batch)
    if not torch.equal(lengths, steps) or apart(features, wanted) > 1e-5:
        raise WrongError(
            "parse(text_of(example)) gives other features than the example: write in text_of all "
            "that the inputs read, and read it back in parse."
        )


@CHECKS.add
def batches_are_sound(task: TaskSubject) -> None:
    """Features (B, T, I) of their size and lengths, the same beside others; new examples too."""
    found = material(task)
    with torch.no_grad():
        features, lengths = found.inputs(found.batch)
    B, T = len(found.examples), features.shape[1]
    if features.dim() != 3 or len(features) != B or features.shape[2] != found.inputs.output_size:
        raise WrongError(
            f"the inputs give the shape {tuple(features.shape)}, expected (B, T, output_size) = "
            f"({B}, T, {found.inputs.output_size})."
        )
    if lengths.shape != (B,) or int(lengths.max()) > T or int(lengths.min()) < 0:
        raise WrongError(f"the inputs give lengths {lengths.tolist()} for {T} steps.")
    if "lengths" not in found.batch:
        raise WrongError("a batch must have 'lengths'.")
    for row in range(B):
        with torch.no_grad():
            alone, steps = found.inputs(found.split.batch([row]))
        valid = int(steps[0])
        if valid != int(lengths[row]) or apart(alone[0, :valid], features[row, :valid]) > 1e-5:
            raise WrongError(
                "a row's features change with its batch mates: pad with what nothing reads, and "
                "take nothing over the batch."
            )
    unseen = list(found.splits["test"][:ROWS])
    found.inputs(found.encoding.encode(unseen).batch(range(len(unseen))))


@CHECKS.add
def padding_costs_nothing(task: TaskSubject) -> None:
    """The loss of a batch is the sum of its rows' losses, and the targets are counted once."""
    found = material(task)
    hidden = found.hidden(found.batch)
    with torch.no_grad():
        together, count = found.head.loss(hidden, found.batch)
        total, targets = 0.0, 0
        for row in range(len(found.examples)):
            batch = found.split.batch([row])
            own = hidden[row : row + 1]
            steps = found.hidden(batch).shape[1] if own.dim() == 3 else 0
            summed, counted = found.head.loss(own[:, :steps] if steps else own, batch)
            total, targets = total + float(summed), targets + int(counted)
    if int(count) != targets or abs(float(together) - total) > 1e-3 * max(1.0, abs(total)):
        raise WrongError(
            f"a batch's loss is {float(together):.4g} over {int(count)} targets, its rows' alone "
            f"{total:.4g} over {targets}: sum over the targets, leave padding out (UNSCORED, "
            "ignore_index, a mask), and divide by nothing."
        )


@CHECKS.add
def losses_of_steps_add_up(task: TaskSubject) -> None:
    """`step_losses` sums to `loss`, where the head has it; the gradient is finite."""
    found = material(task)
    hidden = found.hidden(found.batch).requires_grad_()
    summed, _ = found.head.loss(hidden, found.batch)
    (gradient,) = torch.autograd.grad(summed, hidden)
    if not bool(gradient.isfinite().all()) or not bool(gradient.any()):
        raise WrongError("the loss gives no finite gradient to the hidden features.")
    if type(found.head).step_losses is Head.step_losses:
        return
    steps = found.head.step_losses(hidden, found.batch)
    each, whole = float(steps.detach().sum()), float(summed.detach())
    if abs(each - whole) > 1e-3 * max(1.0, abs(whole)):
        raise WrongError(
            f"step_losses sums to {each:.4g}, loss gives {whole:.4g}: they "
            "must be one, since `loss.backward` chooses between them."
        )


@CHECKS.add
def probabilities_are_some(task: TaskSubject) -> None:
    """Probabilities sum to one, and the likeliest class is what is predicted."""
    found = material(task)
    if type(found.head).probabilities is Head.probabilities:
        raise NotApplicableError("its head gives no probabilities of classes")
    with torch.no_grad():
        hidden = found.hidden(found.batch)
        chances = found.head.probabilities(hidden)
        logs = found.head.log_probabilities(hidden)
        predicted = found.head.predict(hidden)
    if apart(chances.sum(-1), torch.ones_like(chances.sum(-1))) > 1e-4:
        raise WrongError("the head's probabilities do not sum to one: give a softmax of them.")
    if apart(logs.exp(), chances) > 1e-4:
        raise WrongError("log_probabilities are not the logarithms of probabilities.")
    if predicted.shape == chances.shape[:-1] and not torch.equal(chances.argmax(-1), predicted):
        raise WrongError("predict gives another class than the likeliest of probabilities.")


@CHECKS.add
def metrics_are_those_declared(task: TaskSubject) -> None:
    """`compute` gives the primary metric and none that is not declared, all finite."""
    found = material(task)
    figures = found.figures(found.hidden(found.batch))
    declared = {metric.name for metric in found.task.metrics}
    if found.task.primary not in figures:
        raise WrongError(f"compute() gives no '{found.task.primary}', the primary metric.")
    unknown = sorted(set(figures) - declared)
    if unknown:
        raise WrongError(f"compute() gives '{unknown[0]}', which `metrics` does not declare.")
    bad = sorted(name for name, value in figures.items() if not math.isfinite(value))
    if bad:
        raise WrongError(f"the metric '{bad[0]}' is not finite on a small batch.")


@CHECKS.add
def perfect_prediction_scores_best(task: TaskSubject) -> None:
    """The truth scores better than random predictions, in the declared direction."""
    found = material(task)
    primary = _primary(found)
    best = found.figures(found.perfect)[primary.name]
    guesses = [found.figures(found.hidden(found.batch, seed))[primary.name] for seed in (1, 2, 3)]
    sign = 1 if primary.direction == "higher" else -1
    if any(sign * best <= sign * guess for guess in guesses):
        raise WrongError(
            f"{primary.name} is {best:.4g} for the truth and {guesses[0]:.4g} for a guess, and "
            f"{primary.direction} is declared better: turn the metric's direction, or look at what "
            "update() compares."
        )


@CHECKS.add
def feedback_is_what_training_feeds(task: TaskSubject) -> None:
    """What a search feeds back after a written step is what training feeds there."""
    found = material(task)
    if found.task.kinds[0].output != "sequence":
        raise NotApplicableError("it writes no sequence of its own")
    with torch.no_grad():
        fed, steps = found.inputs.targets(found.batch)
        written = found.head.predict(found.perfect)
        for row, length in enumerate(steps.tolist()):
            for t in range(length - 1):
                given = found.inputs.feedback(written[row : row + 1, t])
                if apart(given[0], fed[row, t + 1]) > 1e-5:
                    raise WrongError(
                        f"after the true step {t} `feedback` gives other features than `targets` "
                        "has at the next one: both must read one sample in one way, and targets "
                        "stand one step behind what the head is to predict."
                    )


@CHECKS.add
def answers_are_in_its_own_words(task: TaskSubject) -> None:
    """`decode` gives a list for each row; `samples` and `render` can be printed."""
    found = material(task)
    with torch.no_grad():
        predicted = found.head.predict(found.perfect)
    answers = found.task.decode(found.encoding, predicted, found.batch)
    if len(answers) != len(found.examples) or not all(isinstance(one, list) for one in answers):
        raise WrongError(f"decode gives {len(answers)} answers for {len(found.examples)} rows.")
    json.dumps(answers)
    samples = found.task.samples(found.examples, answers)
    if not samples or not all(isinstance(one, str) and one.strip() for one in samples):
        raise WrongError("samples() shows a person nothing: return a few lines of text.")
    for text in samples:
        text.encode("utf-8")
        if any(ord(letter) < 32 and letter not in "\n\t" for letter in text):
            raise WrongError("samples() holds control characters, which a terminal obeys.")
    try:
        lines = [found.task.text_of(example) for example in found.examples]
        given = list(found.task.parse(lines, "check"))
    except (UserError, NotImplementedError):
        return  # it reads no text, so it writes none
    text = found.task.render(given, answers, found.data)
    if not isinstance(text, str) or not text.strip():
        raise WrongError("render() gives no text: `seqline predict` would print nothing.")


def _primary(found: Material) -> Metric:
    return next(metric for metric in found.task.metrics if metric.name == found.task.primary)


def _written(example: Example) -> str:
    return json.dumps(example, sort_keys=True, default=_plain)


def _plain(value: Any) -> Any:
    return dataclasses.asdict(value) if dataclasses.is_dataclass(value) else str(value)  # type: ignore[arg-type]

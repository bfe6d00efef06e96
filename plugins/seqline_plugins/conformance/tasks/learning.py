"""Checks of how a task learns and is scored: its batches, losses, metrics and answers.

Letters: B batch, T time, I features per step, H hidden features.
"""

from __future__ import annotations

import json
import math

import torch

from seqline_plugins.conformance.subject import TaskSubject, apart
from seqline_plugins.conformance.tasks.material import ROWS, material
from seqline_plugins.conformance.verdict import Checks, NotApplicableError, WrongError
from seqline_plugins.errors import UserError
from seqline_plugins.task.head import Head

CHECKS = Checks()
MISSED = 0.1
"""Share of the steps at which a perfect prediction, which is sought, may not have been found."""


@CHECKS.add
def batches_are_sound(task: TaskSubject) -> None:
    """Features (B, T, I) of their size and lengths, the same beside others; new examples too."""
    found = material(task)
    with torch.no_grad():
        features, lengths = found.inputs(found.batch)
    B, T = len(found.rows), features.shape[1]
    if features.dim() != 3 or len(features) != B or features.shape[2] != found.inputs.output_size:
        raise WrongError(
            f"the inputs give the shape {tuple(features.shape)}, expected (B, T, output_size) = "
            f"({B}, T, {found.inputs.output_size})."
        )
    if lengths.shape != (B,) or int(lengths.max()) > T or int(lengths.min()) < 0:
        raise WrongError(f"the inputs give lengths {lengths.tolist()} for {T} steps.")
    if "lengths" not in found.batch:
        raise WrongError("a batch must have 'lengths'.")
    for row in found.rows:
        with torch.no_grad():
            alone, steps = found.inputs(found.read(found.split, [row]))
        valid = int(steps[0])
        if valid != int(lengths[row]) or apart(alone[0, :valid], features[row, :valid]) > 1e-5:
            raise WrongError(
                "a row's features change with its batch mates: pad with what nothing reads, and "
                "take nothing over the batch."
            )
    unseen = list(found.splits["test"][:ROWS])
    rows = found.rows if found.running else range(len(unseen))
    found.inputs(found.read(found.encoding.encode(unseen), rows))


@CHECKS.add
def padding_costs_nothing(task: TaskSubject) -> None:
    """The loss of a batch is the sum of its rows' losses, and the targets are counted once."""
    found = material(task)
    hidden = found.hidden(found.batch)
    with torch.no_grad():
        together, count = found.head.loss(hidden, found.batch)
        total, targets = 0.0, 0
        for row in found.rows:
            batch = found.read(found.split, [row])
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
    primary = found.primary
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
        # a class is met exactly, a measured value nearly
        near = float(fed.std()) / 4 if written.is_floating_point() else 1e-5
        places = [(row, t) for row, length in enumerate(steps.tolist()) for t in range(length - 1)]
        fed_back = [found.inputs.feedback(written[row : row + 1, t])[0] for row, t in places]
    far = [
        t
        for (row, t), given in zip(places, fed_back, strict=True)
        if apart(given, fed[row, t + 1]) > near
    ]
    if len(far) > MISSED * len(places):
        raise WrongError(
            f"after the true step {far[0]} `feedback` gives other features than `targets` has at "
            "the next one: both must read one sample in one way, and targets stand one step "
            "behind what the head is to predict."
        )


@CHECKS.add
def answers_are_in_its_own_words(task: TaskSubject) -> None:
    """`decode` gives a list for each row; `samples` and `render` can be printed."""
    found = material(task)
    with torch.no_grad():
        predicted = found.head.predict(found.perfect)
    answers = found.task.decode(found.encoding, predicted, found.batch)
    odd = next((one for one in answers if not isinstance(one, list)), None)
    if odd is not None:
        raise WrongError(
            f"decode gives {odd!r}, {type(odd).__name__}, for a row; expected a list for each."
        )
    if len(answers) != len(found.rows):
        raise WrongError(f"decode gives {len(answers)} answers for {len(found.rows)} rows.")
    json.dumps(answers)
    samples = found.task.samples(found.examples, answers)
    if not samples or not all(isinstance(one, str) and one.strip() for one in samples):
        raise WrongError("samples() shows a person nothing: return a few lines of text.")
    for text in samples:
        text.encode("utf-8")
        if any(ord(letter) < 32 and letter not in "\n\t" for letter in text):
            raise WrongError("samples() holds control characters, which a terminal obeys.")
    if found.running:
        return  # what it renders is what it writes after a line
    try:
        lines = [found.task.text_of(example) for example in found.examples]
        given = list(found.task.parse(lines, "check"))
    except (UserError, NotImplementedError):
        return  # it reads no text, so it writes none
    text = found.task.render(given, answers, found.data)
    if not isinstance(text, str) or not text.strip():
        raise WrongError("render() gives no text: `seqline predict` would print nothing.")

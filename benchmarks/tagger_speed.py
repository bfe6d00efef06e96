"""The tagger's speed beside Flair's SequenceTagger, in one run, taking turns.

The same network on UD English EWT, universal tags: word embedding 128 for words seen twice or
more, one bidirectional LSTM of 256 a direction, locked dropout 0.5 before and after it, no CRF,
Adam 1e-3, clip 5, batches of 32 sentences; then the same with characters (a bidirectional LSTM
of 25). Each side is a process that trains an epoch or tags the test set when told, alternately,
so that noise hits both. Then seqline's own recipe for as long as Flair's epochs took.
"""

import statistics
import sys
import tempfile
from pathlib import Path

from measure import (
    Figure,
    Worker,
    arguments,
    conclude,
    data_overrides,
    machine_state,
    median,
    run_seqline,
    shorten,
)

BARS = {False: (3.0, 2.5), True: (7.0, 9.0)}


def side_by_side(data, python, threads, epochs, visits, characters):
    """Let both train and predict in turns; return every second measured."""
    options = ["--data", str(data), "--threads", str(threads)]
    options += ["--characters"] if characters else []
    epochs_of_peer = ["--epochs", str(epochs)]
    ours = Worker(sys.executable, "tagger_speed_seqline.py", *options, threads=threads)
    peer = Worker(python, "tagger_speed_flair.py", *options, *epochs_of_peer, threads=threads)
    if ours.ready["words"]["train"] != peer.ready["words"]["train"]:
        sys.exit(f"not the same words: {ours.ready}, {peer.ready}")
    sides = {"seqline": ours, "flair": peer}
    epochs_done = {name: [] for name in sides}
    predicted = {name: [] for name in sides}
    for epoch in range(epochs):
        for name in sorted(sides, reverse=epoch % 2 == 0):
            epochs_done[name].append(sides[name].do("train")["seconds"])
            print(f"epoch {epoch + 1} {name} {epochs_done[name][-1]:.1f} s", file=sys.stderr)
    finished = {name: side.do("finish") for name, side in sides.items()}
    for visit in range(visits + 1):
        for name in sorted(sides, reverse=visit % 2 == 0):
            predicted[name].append(sides[name].do("predict"))
    for side in sides.values():
        side.close()
    return {
        "sides": {name: side.ready | finished[name] for name, side in sides.items()},
        "epoch_seconds": epochs_done,
        "predict": {name: values[1:] for name, values in predicted.items()},  # the first warms up
    }


def figures_of(measured, characters):
    """Return the two ratios and what they are made of."""
    words = measured["sides"]["seqline"]["words"]
    speed = {}
    for name, seconds in measured["epoch_seconds"].items():
        speed[name, "training"] = words["train"] / statistics.mean(seconds[1:] or seconds)
    ours = [visit["seconds"] for visit in measured["predict"]["seqline"]]
    speed["seqline", "predicting"] = words["test"] / median(ours)
    peers = [visit["seconds"] for visit in measured["predict"]["flair"]]
    best = min(median([seconds[size] for seconds in peers]) for size in peers[0])
    speed["flair", "predicting"] = words["test"] / best
    label = "with characters, " if characters else ""
    rows = []
    for what, bar in zip(("training", "predicting"), BARS[characters], strict=True):
        for name in ("seqline", "flair"):
            rows.append(Figure(f"{label}{what}, {name}, words/s", speed[name, what]))
        ratio = speed["seqline", what] / speed["flair", what]
        rows.append(Figure(f"{label}{what}, seqline ÷ Flair", ratio, bar))
    for name in ("seqline", "flair"):
        accuracy = 100 * measured["predict"][name][-1]["accuracy"]
        rows.append(Figure(f"{label}test accuracy after the same epochs, {name}", accuracy))
    return rows


def accuracy_at_same_time(data, measured, overrides):
    """Train seqline's recipe for as long as Flair's epochs took, its own validation included."""
    minutes = sum(measured["epoch_seconds"]["flair"]) / 60
    theirs = 100 * measured["predict"]["flair"][-1]["accuracy"]
    bound = [f"trainer.max_minutes={minutes:.4f}", "trainer.max_epochs=null"]
    with tempfile.TemporaryDirectory() as home:
        recipe = ["experiment=ewt_upos", *data_overrides(data, "en_ewt"), *bound, *overrides]
        report, _ = run_seqline(Path(home), recipe)
    ours = 100 * report["metrics"]["accuracy"]
    rows = [
        Figure("Flair's training time, minutes", minutes),
        Figure("seqline's recipe, minutes", report["minutes"]),
        Figure("seqline's accuracy in that time", ours),
        Figure("Flair's accuracy", theirs),
        Figure("seqline − Flair, points", ours - theirs, 2.0),
    ]
    return rows, report


def main():
    parser = arguments(__doc__, "tagger_speed")
    parser.add_argument("--data", type=Path, required=True, help="the parent of pos_tagging/")
    parser.add_argument("--peer-python", required=True, help="an interpreter that has flair")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--visits", type=int, default=5, help="predictions of the test set, each")
    parser.add_argument("--sentences", type=int, help="only so many of each split, to try it out")
    parser.add_argument(
        "--parts",
        nargs="+",
        default=["words", "characters", "accuracy"],
        choices=["words", "characters", "accuracy"],
        help="accuracy needs words",
    )
    given = parser.parse_args()
    before, rows, details = machine_state(), [], {}
    with tempfile.TemporaryDirectory() as name:
        data = given.data.resolve()
        if given.sentences:
            data = shorten(data, "en_ewt", given.sentences, Path(name) / "data")
        for part in ("words", "characters"):
            if part in given.parts:
                characters = part == "characters"
                details[part] = side_by_side(
                    data, given.peer_python, given.threads, given.epochs, given.visits, characters
                )
                rows += figures_of(details[part], characters)
        if "accuracy" in given.parts and "words" in details:
            overrides = [f"trainer.threads={given.threads}", *given.override]
            more, details["accuracy"] = accuracy_at_same_time(data, details["words"], overrides)
            rows += more
    conclude("The tagger beside Flair", rows, details, given.out, before)


if __name__ == "__main__":
    main()

"""Character language models: the recipes' bits per character, and the speed beside torch.nn.LSTM.

A recipe is `seqline run experiment=…` on the public text, ten or twenty minutes on two threads,
then torch's LSTM (the peer of language_model_side.py) for as many seconds. `speed` lets both train
one network in turns, two processes that do some updates when told, so that noise hits both; the
peer in float32 and in bfloat16.
"""

import json
import sys
import tempfile
from pathlib import Path

from measure import Figure, Worker, arguments, conclude, machine_state, median, run_seqline

SIDE = "language_model_side.py"
KERNEL = "linux-6.1-kernel.c.gz"
TEXTS = {
    "tinyshakespeare": "tinyshakespeare.txt.gz",
    "linux_c": KERNEL,
    "linux_c_1mb": KERNEL,
    "linux_c_windows": KERNEL,
}
BARS = {"tinyshakespeare": 1.98, "linux_c": 1.75}
MINUTES = {"tinyshakespeare": 10.0}
TWENTY = 20.0


def train_for(worker, seconds):
    """Let a side train for so many seconds, scoring it every so often; return its best score."""
    spent, best = 0.0, float("inf")
    while spent < seconds:
        part = 0.0
        while part < min(60.0, seconds - spent):
            part += worker.do("train 20")["seconds"]
        spent += part
        best = min(best, worker.do("score")["bits"])
        print(f"torch: {spent:.0f} s, best {best:.4f}", file=sys.stderr)
    return best


def quality(experiment, data, threads, overrides):
    """Run the recipe, then the peer for as long; return figures and details."""
    text = (data / "language_model" / TEXTS[experiment]).resolve()
    chosen = [f"experiment={experiment}", f"data.file='{text}'", f"trainer.threads={threads}"]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        report, _ = run_seqline(Path(home), [*chosen, *overrides])
        summary = (Path(report["folders"]["train"]) / "summary.json").read_text(encoding="utf-8")
        samples = report["samples"]
    trained = json.loads(summary)
    bits, minutes = trained["best_score"], trained["minutes"]
    rows = [
        Figure(f"{experiment}, bits per character, validation", bits, BARS.get(experiment), "<="),
        Figure(f"{experiment}, test", report["metrics"]["bits_per_character"]),
        Figure(f"{experiment}, five-gram Kneser–Ney, test",
               report["baseline"]["five_gram_bits_per_character"]),
        Figure(f"{experiment}, minutes of training", minutes,
               MINUTES.get(experiment, TWENTY), "<="),
    ]  # fmt: skip
    if experiment == "linux_c_windows":
        counts = report["baseline"]["five_gram_bits_per_character"]
        below = counts - report["metrics"]["bits_per_character"]
        rows.append(Figure(f"{experiment}, below the five-gram model, bits", below, 0.0))
    if experiment == "tinyshakespeare":
        options = ["torch", "--text", str(text), "--threads", str(threads)]
        options += ["--bf16", "--dropout", "0.2"]
        peer = Worker(sys.executable, SIDE, *options, threads=threads)
        best = train_for(peer, 60 * minutes)
        peer.close()
        rows.append(Figure("torch.nn.LSTM, bf16, dropout 0.2, in the same time", best))
        rows.append(Figure("below it, bits", best - bits, 0.0))
    return rows, {"report": report, "training": trained, "samples": samples}


def speed(data, threads, rounds, updates):
    """Let seqline (bf16) and torch (float32, bf16) train in turns; return figures and details."""
    text = str((data / "language_model" / TEXTS["tinyshakespeare"]).resolve())
    sides = {
        "seqline, bf16": ["seqline", "--bf16"],
        "seqline, float32": ["seqline"],
        "torch, bf16": ["torch", "--bf16"],
        "torch, float32": ["torch"],
    }
    shared = ["--text", text, "--threads", str(threads)]
    workers = {
        name: Worker(sys.executable, SIDE, *options, *shared, threads=threads)
        for name, options in sides.items()
    }
    measured = {name: [] for name in workers}
    for number in range(rounds + 1):
        for name in sorted(workers, reverse=number % 2 == 0):
            done = workers[name].do(f"train {updates}")
            if number:  # the first warms up
                measured[name].append(done["characters"] / done["seconds"])
    for worker in workers.values():
        worker.close()
    rate = {name: median(values) for name, values in measured.items()}
    rows = [Figure(f"{name}, characters/s", value) for name, value in rate.items()]
    best, plain = rate["seqline, bf16"], rate["torch, float32"]
    rows.append(Figure("training, seqline ÷ torch's float32", best / plain, 1.3))
    rows.append(Figure("both in float32", rate["seqline, float32"] / plain))
    rows.append(Figure("both in bf16", best / rate["torch, bf16"]))
    return rows, measured


def main():
    parser = arguments(__doc__, "language_model")
    parser.add_argument("--data", type=Path, required=True, help="the parent of language_model/")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--what", nargs="+", default=["speed", *TEXTS], choices=["speed", *TEXTS])
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--updates", type=int, default=20)
    given = parser.parse_args()
    before, rows, details = machine_state(), [], {}
    for what in given.what:
        if what == "speed":
            found = speed(given.data, given.threads, given.rounds, given.updates)
        else:
            found = quality(what, given.data, given.threads, given.override)
        rows += found[0]
        details[what] = found[1]
    conclude("Character language models", rows, details, given.out, before)


if __name__ == "__main__":
    main()

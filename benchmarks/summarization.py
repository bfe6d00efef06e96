"""SciTLDR's abstracts to a sentence each: ROUGE-L on test by the recipe, beside the first sentence.

    python benchmarks/summarization.py --data DATA

DATA is the parent of summarization/. Every figure is `seqline run experiment=scitldr` in a home of
its own.
"""

import statistics
import sys
import tempfile
from pathlib import Path

from measure import Figure, arguments, conclude, machine_state, run_seqline

FILES = {"train": "train", "validation": "dev", "test": "test"}
MINUTES = 30.0


def measure(data, seed, overrides, home):
    """Train, evaluate; return the report."""
    folder = data.resolve() / "summarization"
    files = [f"data.{key}={folder}/scitldr-a-{name}.jsonl.gz" for key, name in FILES.items()]
    chosen = ["experiment=scitldr", *files, f"trainer.seed={seed}", *overrides]
    report, seconds = run_seqline(home, chosen)
    print(f"seed {seed}: {report['metrics']['rouge_l']:.2f}, {seconds:.0f} s", file=sys.stderr)
    return report


def figures_of(reports):
    """Return the means over the seeds, and the longest training."""
    metrics = [report["metrics"] for report in reports]

    def mean(name):
        return statistics.mean(one[name] for one in metrics)

    listed = ", ".join(f"{one['rouge_l']:.2f}" for one in metrics)
    baseline = reports[0]["baseline"]["rouge_l"]
    repeated, copied = (100 * mean(name) for name in ("first_sentence", "copied"))
    return [
        Figure(f"ROUGE-L, mean of {len(metrics)} ({listed})", mean("rouge_l"), baseline, ">="),
        Figure("ROUGE-L of the first sentence", baseline),
        Figure("ROUGE-1", mean("rouge_1")),
        Figure("ROUGE-2", mean("rouge_2")),
        Figure("outputs that merely repeat the first sentence", repeated, unit=" %"),
        Figure("two words in a row that are the text's", copied, unit=" %"),
        Figure("longest training, minutes", max(r["minutes"] for r in reports), MINUTES, "<="),
    ]


def main():
    parser = arguments(__doc__, "summarization")
    parser.add_argument("--data", type=Path, required=True, help="the parent of summarization/")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    given = parser.parse_args()
    before = machine_state()
    with tempfile.TemporaryDirectory() as name:
        home = Path(name) / "home"  # the data are prepared once
        reports = [measure(given.data, seed, given.override, home) for seed in given.seeds]
    conclude("Summarization", figures_of(reports), reports, given.out, before)


if __name__ == "__main__":
    main()

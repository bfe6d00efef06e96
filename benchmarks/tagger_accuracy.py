"""The tagger's test accuracy by each experiment's recipe, mean over seeds, beside its baseline.

Every figure is `seqline run experiment=…` in a home of its own; the recipes are in
conf/seqline_conf/experiment/.
"""

import statistics
import sys
import tempfile
from pathlib import Path

from measure import Figure, arguments, conclude, data_overrides, machine_state, run_seqline

TREEBANKS = {"ewt_upos": "en_ewt", "ewt_xpos": "en_ewt", "atis_upos": "en_atis", "demo": None}
BARS = {"ewt_upos": 96.0, "ewt_xpos": 95.5, "atis_upos": 98.5}
ABOVE_BASELINE = {"demo": 5.0}
MINUTES = 10.0


def measure(experiment, data, seeds, overrides):
    """Run an experiment once a seed; return the reports."""
    treebank = TREEBANKS[experiment]
    files = data_overrides(data, treebank) if treebank else []
    reports = {}
    with tempfile.TemporaryDirectory() as home:  # one home: the data are prepared once
        for seed in seeds:
            chosen = [f"experiment={experiment}", *files, f"trainer.seed={seed}", *overrides]
            reports[seed], seconds = run_seqline(Path(home), chosen)
            accuracy = reports[seed]["metrics"]["accuracy"]
            print(f"{experiment} seed {seed}: {accuracy:.4f}, {seconds:.0f} s", file=sys.stderr)
    return reports


def figures_of(experiment, reports):
    """Return the mean, its spread, the baseline and the longest training."""
    accuracies = [100 * report["metrics"]["accuracy"] for report in reports.values()]
    baseline = 100 * next(iter(reports.values()))["baseline"]["accuracy"]
    mean = statistics.mean(accuracies)
    each = ", ".join(f"{value:.2f}" for value in accuracies)
    rows = [
        Figure(f"{experiment}, mean of {len(accuracies)} ({each})", mean, BARS.get(experiment)),
        Figure(f"{experiment}, most frequent tag", baseline),
    ]
    if experiment in ABOVE_BASELINE:
        above = ABOVE_BASELINE[experiment]
        rows.append(Figure(f"{experiment}, points above it", mean - baseline, above))
    longest = max(report["minutes"] for report in reports.values())
    rows.append(Figure(f"{experiment}, longest training, minutes", longest, MINUTES, "<="))
    return rows


def main():
    parser = arguments(__doc__, "tagger_accuracy")
    parser.add_argument("--data", type=Path, help="the parent of pos_tagging/")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument(
        "--experiments", nargs="+", default=list(TREEBANKS), choices=list(TREEBANKS)
    )
    given = parser.parse_args()
    if given.data is None and any(TREEBANKS[name] for name in given.experiments):
        parser.error("--data is needed for all but the demo")
    before, rows, details = machine_state(), [], {}
    for experiment in given.experiments:
        reports = measure(experiment, given.data, given.seeds, given.override)
        details[experiment] = reports
        rows += figures_of(experiment, reports)
    conclude("The tagger's accuracy", rows, details, given.out, before)


if __name__ == "__main__":
    main()

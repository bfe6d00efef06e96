"""Nats a frame of music and a point of drawings on test, by each experiment's recipe.

    python benchmarks/music_and_drawing.py --data DATA

DATA is the parent of music/ and drawing/; the pickled sketches are turned into plain arrays first.
Every figure is `seqline run experiment=…` in a home of its own, beside the trivial baseline.
"""

import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from measure import Figure, arguments, conclude, machine_state, run_seqline

FILES = {
    "jsb": "music/JSB_Chorales.mat",
    "jsb_alone": "music/JSB_Chorales.mat",
    "nottingham": "music/Nottingham.mat",
    "kanji": "drawing/short_kanji.npz",
    "omniglot": "drawing/omniglot.npz",
}
BARS = {"jsb": 8.40, "nottingham": 3.25}
"""Published recurrent models have 8.45 and 3.29 (Bai et al. 2018), their network 8.10 and 3.07."""
BELOW_BASELINE = {"kanji": 0.5, "omniglot": 0.5}
"""Nats that a memory must be worth."""
MINUTES = 10.0


def measure(experiment, file, seeds, overrides, folder):
    """Run an experiment once a seed; return the reports."""
    reports = {}
    for seed in seeds:
        chosen = [f"experiment={experiment}", f"data.file={file}", f"trainer.seed={seed}"]
        reports[seed], seconds = run_seqline(folder / "home", [*chosen, *overrides])
        nll = reports[seed]["metrics"]["nll"]
        print(f"{experiment} seed {seed}: {nll:.4f}, {seconds:.0f} s", file=sys.stderr)
    return reports


def figures_of(experiment, reports):
    """Return the mean, the baseline and the longest training."""
    each = [report["metrics"]["nll"] for report in reports.values()]
    baseline = next(iter(reports.values()))["baseline"]["nll"]
    listed = ", ".join(f"{value:.3f}" for value in each)
    mean = statistics.mean(each)
    rows = [
        Figure(
            f"{experiment}, nats, mean of {len(each)} ({listed})",
            mean,
            BARS.get(experiment, baseline),
            "<=",
        ),
        Figure(f"{experiment}, nats of the baseline", baseline),
    ]
    if experiment in BELOW_BASELINE:
        below = BELOW_BASELINE[experiment]
        rows.append(Figure(f"{experiment}, nats below it", baseline - mean, below))
    longest = max(report["minutes"] for report in reports.values())
    rows.append(Figure(f"{experiment}, longest training, minutes", longest, MINUTES, "<="))
    return rows


def plain_sketches(data, folder):
    """Convert the pickled sketches; return where the plain ones lie."""
    script = Path(__file__).parent / "convert_sketches.py"
    pickled = [str(data / file) for file in sorted(set(FILES.values())) if file.endswith(".npz")]
    subprocess.run([sys.executable, str(script), *pickled, "--to", str(folder)], check=True)
    return folder


def main():
    parser = arguments(__doc__, "music_and_drawing")
    parser.add_argument("--data", type=Path, required=True, help="parent of music/ and drawing/")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--experiments", nargs="+", default=list(FILES), choices=list(FILES))
    given = parser.parse_args()
    before, rows, details = machine_state(), [], {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)  # one home: data that two experiments share are prepared once
        plain = plain_sketches(given.data, folder / "plain")
        for experiment in given.experiments:
            file = given.data / FILES[experiment]
            if file.suffix == ".npz":
                file = plain / file.name
            details[experiment] = measure(experiment, file, given.seeds, given.override, folder)
            rows += figures_of(experiment, details[experiment])
    conclude("Music and drawing", rows, details, given.out, before)


if __name__ == "__main__":
    main()

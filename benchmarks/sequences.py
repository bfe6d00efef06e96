"""The figures of classes, series, clips and drawn tasks by their recipes, beside their baselines.

Every figure is `seqline run experiment=…` in a home of its own, the mean over seeds. `--curve` also
runs adding and copy memory at several lengths.
"""

import gzip
import statistics
import sys
import tempfile
from pathlib import Path

from measure import Figure, arguments, conclude, machine_state, run_seqline

MINUTES = 10.0
RECIPES = {
    # name: (experiment, overrides, folder and files by key, metric, bar, direction)
    "ETTh1, 24 ahead, MSE": ("etth1", [], {"file": "time_series/ETTh1.csv"}, "mse", 0.030, "<="),
    "SST-2, accuracy": (
        "sst2", [],
        {key: f"classification/stsa.binary.{part}"
         for key, part in (("train", "train"), ("validation", "dev"), ("test", "test"))},
        "accuracy", 0.80, ">=",
    ),
    "TREC, accuracy": (
        "trec", [],
        {"train": "classification/TREC.train.all", "test": "classification/TREC.test.all"},
        "accuracy", 0.88, ">=",
    ),
    "gestures, last fifth of each class": (
        "gestures", [], {"file": "gesture/point_history.csv"}, "accuracy", 0.89, ">=",
    ),
    "adding T = 600, GRU, MSE": ("adding", [], {}, "mse", 1e-3, "<="),
    "adding T = 600, LSTM, MSE": ("adding", ["cell=lstm"], {}, "mse", 1e-3, "<="),
    "adding T = 600, RNN, MSE": ("adding", ["cell=rnn"], {}, "mse", None, "<="),
    "copy memory T = 1000, unitary, loss": ("copy_memory", [], {}, "loss", 0.002, "<="),
    "copy memory T = 1000, LSTM, loss": ("copy_memory", ["cell=lstm"], {}, "loss", None, "<="),
    "copy memory T = 1000, GRU, loss": ("copy_memory", ["cell=gru"], {}, "loss", None, "<="),
    "digits, GRU, accuracy": ("sequential_digits", [], {}, "accuracy", 0.95, ">="),
    "digits, LSTM, accuracy": ("sequential_digits", ["cell=lstm"], {}, "accuracy", 0.95, ">="),
}  # fmt: skip
LENGTHS = {"adding": (100, 200, 400, 600), "copy_memory": (100, 300, 1000)}


def files_of(data, given, folder):
    """Return overrides that choose files, written anew as UTF-8 where they are gzipped Latin-1."""
    found = []
    for key, name in given.items():
        path = folder / Path(name).name
        raw = gzip.decompress((data / f"{name}.gz").read_bytes())
        try:
            path.write_text(raw.decode("utf-8"), encoding="utf-8")
        except UnicodeDecodeError:
            path.write_text(raw.decode("latin-1"), encoding="utf-8")
        found.append(f"data.{key}={path}")
    return found


def measure(name, data, seeds, overrides):
    """Run a recipe once a seed; return the reports."""
    experiment, own, given, metric, _, _ = RECIPES[name]
    reports = {}
    with tempfile.TemporaryDirectory() as home:
        files = files_of(data, given, Path(home)) if given else []
        for seed in seeds:
            chosen = [f"experiment={experiment}", *own, *files, f"trainer.seed={seed}", *overrides]
            reports[seed], seconds = run_seqline(Path(home) / "home", chosen)
            value = reports[seed]["metrics"][metric]
            print(f"{name}, seed {seed}: {value:.5f}, {seconds:.0f} s", file=sys.stderr)
    return reports


def figures_of(name, reports):
    """Return the mean, the baselines and the longest training."""
    _, _, _, metric, bar, direction = RECIPES[name]
    values = [report["metrics"][metric] for report in reports.values()]
    each = ", ".join(f"{value:.4g}" for value in values)
    first = next(iter(reports.values()))
    rows = [Figure(f"{name} ({each})", statistics.mean(values), bar, direction)]
    for other, value in first["baseline"].items():
        if other.split(" ")[0] == metric:
            rows.append(Figure(f"{name}: trivial, {other}", value))
    longest = max(report["minutes"] for report in reports.values())
    rows.append(Figure(f"{name}: longest training, minutes", longest, MINUTES, "<="))
    return rows


def peers_of(data):
    """Return what other methods reach on the same splits: SVC, ridge, nearest neighbours."""
    import numpy as np
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import Ridge
    from sklearn.svm import LinearSVC

    rows = []
    parts = {"SST-2": ("stsa.binary.train", "stsa.binary.test", 1),
             "TREC": ("TREC.train.all", "TREC.test.all", 2)}  # fmt: skip
    for name, (train, test, longest) in parts.items():
        sets = []
        for part in (train, test):
            text = gzip.decompress((data / "classification" / f"{part}.gz").read_bytes())
            lines = text.decode("latin-1").splitlines()
            sets.append([line.split(" ", 1) for line in lines if " " in line])
        vectors = TfidfVectorizer(ngram_range=(1, longest), token_pattern=r"\S+")
        model = LinearSVC().fit(vectors.fit_transform([t for _, t in sets[0]]),
                                [label for label, _ in sets[0]])  # fmt: skip
        score = model.score(vectors.transform([t for _, t in sets[1]]), [y for y, _ in sets[1]])
        rows.append(Figure(f"{name}: TF-IDF and a linear SVC", score))
    raw = gzip.decompress((data / "time_series" / "ETTh1.csv.gz").read_bytes()).decode()
    values = np.asarray([float(line.split(",")[-1]) for line in raw.splitlines()[1:14401]])
    z = (values - values[:8640].mean()) / values[:8640].std()
    W, U = 168, 24
    windows = np.lib.stride_tricks.sliding_window_view(z, W + U)
    train, test = windows[: 8640 - W - U + 1], windows[11520 - W :]
    past, last = slice(0, W), slice(W - 1, W)
    ridge = Ridge(10.0).fit(train[:, past] - train[:, last], train[:, W:] - train[:, last])
    missed = ridge.predict(test[:, past] - test[:, last]) + test[:, last] - test[:, W:]
    return [*rows, Figure("ETTh1: ridge on the same windows", float(np.square(missed).mean()))]


def curve_of(experiment, seeds, overrides):
    """Return a figure for each length of a drawn task."""
    rows = []
    for length in LENGTHS[experiment]:
        with tempfile.TemporaryDirectory() as home:
            chosen = [f"experiment={experiment}", f"task.length={length}", *overrides]
            report, _ = run_seqline(Path(home), [*chosen, f"trainer.seed={seeds[0]}"])
        value = report["metrics"][report["primary"]]
        rows.append(Figure(f"{experiment}, T = {length}: {report['primary']}", value))
    return rows


def main():
    parser = arguments(__doc__, "sequences")
    parser.add_argument("--data", type=Path, help="the parent of classification/, time_series/, …")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--only", nargs="+", default=list(RECIPES), choices=list(RECIPES))
    parser.add_argument("--curve", action="store_true", help="several lengths of drawn tasks too")
    given = parser.parse_args()
    if given.data is None and any(RECIPES[name][2] for name in given.only):
        parser.error("--data is needed for all but the drawn tasks")
    before, rows, details = machine_state(), [], {}
    for name in given.only:
        details[name] = measure(name, given.data, given.seeds, given.override)
        rows += figures_of(name, details[name])
    if given.data is not None:
        rows += peers_of(given.data)
    for experiment in LENGTHS if given.curve else ():
        rows += curve_of(experiment, given.seeds, given.override)
    conclude("Sequences", rows, details, given.out, before)


if __name__ == "__main__":
    main()

"""Two runs with one seed, in two processes and two homes: the same bits; another seed: others."""

import hashlib
import json
import tempfile
from pathlib import Path

from measure import Figure, arguments, conclude, data_overrides, machine_state, run_seqline


def digests(report):
    """Return what two runs are compared by: weights, metrics, predictions, the history's values."""
    folders = {name: Path(folder) for name, folder in report["folders"].items()}
    files = {
        "weights": folders["train"] / "weights.safetensors",
        "exported weights": Path(report["export"]) / "weights.safetensors",
        "metrics": folders["evaluate"] / "metrics.json",
        "predictions": folders["evaluate"] / "predictions.jsonl",
    }
    found = {what: hashlib.sha256(path.read_bytes()).hexdigest() for what, path in files.items()}
    points = [json.loads(x) for x in (folders["train"] / "history.jsonl").read_text().splitlines()]
    values = [[point["step"], point["metrics"]] for point in points]
    found["history"] = hashlib.sha256(json.dumps(values).encode()).hexdigest()
    return found


def main():
    parser = arguments(__doc__, "determinism")
    parser.add_argument("--data", type=Path, required=True, help="the parent of pos_tagging/")
    parser.add_argument("--epochs", type=int, default=2)
    given = parser.parse_args()
    before, found = machine_state(), []
    overrides = [*data_overrides(given.data, "en_atis"), f"trainer.max_epochs={given.epochs}"]
    for seed in (7, 7, 8):
        with tempfile.TemporaryDirectory() as home:
            chosen = [*overrides, f"trainer.seed={seed}", *given.override]
            report, _ = run_seqline(Path(home), chosen)
            found.append(digests(report))
    one, same, other = found
    rows = [Figure(f"same seed, same {what}", one[what] == same[what], True, "==") for what in one]
    differs = one["weights"] != other["weights"]
    rows.append(Figure("another seed, other weights", differs, True, "=="))
    conclude("Two runs with one seed", rows, found, given.out, before)


if __name__ == "__main__":
    main()

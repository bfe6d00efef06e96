"""Every installed cell in every built-in architecture, each on two tasks, a short training a run.

    python benchmarks/matrix.py --processes 2

The recipes are the short experiments of conf/seqline_conf/experiment/; a cell is put in by `cell=`
and nothing else is said about it. A row is finished when the stages are done, its score is finite
and the loss on the validation split at the end is below the training's first (the mean over a tenth
of an epoch). Rows are kept beside --out as they come: started again, the script goes on with what
is missing or failed. --table FILE writes the scores as Markdown.
"""

from __future__ import annotations

import json
import math
import multiprocessing
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

from measure import Figure, arguments, conclude, machine_state

RECIPES = {
    "many_to_many": ("demo", "text_demo"),
    "many_to_one": ("classification_demo", "time_series_demo"),
    "encoder_decoder": ("translation_demo", "summarization_demo"),
    "one_to_many": ("music_demo", "drawing_demo"),
}
SHORT = [
    "trainer.max_epochs=null",
    "trainer.members=1",
    "trainer.average=null",   # an average of few updates is that of the start
    "trainer.validate_every=1000000",   # once, at the end: the time is for updates
    "trainer.threads=1",
    "trainer.device=cpu",
    "decode.beam=1",
]  # fmt: skip


def run_pair(cell, recipe, seconds, home):
    """Prepare, train and evaluate; return the row."""
    os.environ["SEQLINE_HOME"] = home
    from seqline import stages
    from seqline.config.compose import compose
    from seqline.home import Home, quiet_environment
    from seqline.reporter import SilentReporter
    from seqline.stages.folder import Workspace
    from seqline.training.loop import Watchers

    quiet_environment()
    started, busy = time.perf_counter(), time.process_time()
    minutes = f"trainer.max_minutes={seconds / 60:.6f}"
    config = compose([f"experiment={recipe}", f"cell={cell}", minutes, *SHORT])
    given = config, Workspace(Home(Path(home)), SilentReporter())
    prepared = stages.prepare(*given)
    checkpoints = Path(home) / "checkpoints" / f"{cell}-{recipe}"
    trained = stages.train(*given, prepared, Watchers(SilentReporter(), checkpoints))
    evaluated = stages.evaluate(*given, prepared, trained)
    of_training = json.loads((trained.folder / "summary.json").read_text())
    results = json.loads((evaluated.folder / "metrics.json").read_text())
    history = [json.loads(line) for line in (trained.folder / "history.jsonl").open()]
    first = next(x for point in history if (x := point["metrics"].get("train/loss")) is not None)
    last = history[-1]["metrics"]["validation/loss"]
    return {
        "task": config["task"]["name"],
        "primary": results["primary"],
        "direction": results["direction"],
        "score": results["metrics"][results["primary"]],
        "baseline": results["baseline"].get(results["primary"]),
        "first_loss": first,
        "last_loss": last,
        "seconds": of_training["minutes"] * 60,
        "updates": of_training["updates"],
        "parameters": of_training["parameters"],
        "kernels": of_training["kernels"],
        "wall_seconds": time.perf_counter() - started,
        "cpu_seconds": time.process_time() - busy,
    }


def attempt(cell, recipe, seconds, home):
    """Return the row, or one that says how it failed."""
    try:
        return run_pair(cell, recipe, seconds, home)
    except Exception as error:  # told in the row; the others go on
        return {"failed": f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"}


def trained(row):
    """Say whether the row is of a training that went down to finite figures."""
    if "failed" in row:
        return False
    return row["last_loss"] < row["first_loss"] and math.isfinite(row["score"])


def measure(wanted, seconds, home, processes, out):
    """Run what is not finished yet; return all rows by place."""
    rows = json.loads(out.read_text())["rows"] if out.exists() else {}
    missing = [place for place in wanted if not trained(rows.get(place, {"failed": ""}))]
    out.parent.mkdir(parents=True, exist_ok=True)
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=spawn) as pool:
        tasks = {
            pool.submit(attempt, *wanted[place], seconds, str(home.absolute())): place
            for place in missing
        }
        for number, done in enumerate(as_completed(tasks), start=1):
            place, row = tasks[done], done.result()
            rows[place] = {**row, "asked": seconds}
            out.write_text(json.dumps({"rows": rows}, indent=1) + "\n", encoding="utf-8")
            said = row.get("failed") or f"{row['primary']} {row['score']:.4f}, {row['updates']}"
            print(f"{number} of {len(missing)}: {place}: {said}", file=sys.stderr)
    return rows


def table_of(cells, recipes, rows):
    """Return the scores as Markdown: a line a cell, a column a task."""
    some = {one: next(r for c in cells if "score" in (r := rows[f"{one} {c}"])) for one in recipes}
    heads = [f"`{some[one]['task']}` {some[one]['primary'].replace('_', ' ')}" for one in recipes]
    trivial = ["" if some[one]["baseline"] is None else f"{some[one]['baseline']:.3f}"
               for one in recipes]  # fmt: skip
    lines = [["cell", *heads], ["---"] + ["---:"] * len(recipes), ["*without learning*", *trivial]]
    for cell in cells:
        found = [rows[f"{one} {cell}"] for one in recipes]
        lines.append([f"`{cell}`", *(f"{r['score']:.3f}" if trained(r) else "–" for r in found)])
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def main():
    from seqline_plugins.discovery import installed

    parser = arguments(__doc__, "matrix", overrides=False)
    parser.add_argument("--seconds", type=float, default=30, help="training of each run")
    parser.add_argument("--cells", nargs="+", default=sorted(installed("cell")))
    parser.add_argument("--architectures", nargs="+", default=list(RECIPES), choices=RECIPES)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--home", type=Path, default=Path("outputs") / "matrix-home")
    parser.add_argument("--table", type=Path)
    given = parser.parse_args()
    before = machine_state()
    recipes = [recipe for name in given.architectures for recipe in RECIPES[name]]
    # Cells in the outer loop: every architecture has been seen early.
    wanted = {f"{recipe} {cell}": (cell, recipe) for cell in given.cells for recipe in recipes}
    kept = given.out.with_suffix(".rows.json")
    rows = measure(wanted, given.seconds, given.home, given.processes, kept)
    bad = [f"{place}: {rows[place].get('failed', 'the loss did not fall')}"
           for place in wanted if not trained(rows[place])]  # fmt: skip
    print(*bad, sep="\n")
    if given.table:
        given.table.write_text(table_of(given.cells, recipes, rows), encoding="utf-8")
    share = Figure(f"of {len(wanted)} pairs train", len(wanted) - len(bad), len(wanted), "==")
    conclude("Every cell in every architecture", [share], rows, given.out, before)


if __name__ == "__main__":
    main()

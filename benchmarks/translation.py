"""Multi30k, German to English: training and decoding speed, BLEU by time, what attention is worth.

Beside Joey NMT where its result is given (--peer-result, the JSON that its script leaves).
"""

import json
import shutil
import statistics
import sys
import tempfile
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from measure import Figure, arguments, conclude, machine_state, run_seqline

PEERS_OWN = [
    "task=translation",
    "architecture=encoder_decoder",
    "cell=gru",
    "task.subwords.size=8000",
    "task.embedding.size=256",
    "architecture.hidden_size=512",
    "architecture.attention=additive",
    "architecture.input_feeding=true",
    "architecture.dropout=0.2",
    "architecture.input_dropout=0.2",
    "architecture.output_dropout=0.2",
    "trainer.lr=0.001",
    "trainer.clip_norm=1.0",
    "trainer.batch_size=null",
    "trainer.batch_tokens=4096",  # of both sides, as many as 2,048 of the longer one
]
LEFT_OUT = 20
BATCH, LIMIT, TIMES = 64, 80, 3
BLEU_BARS = {5: 32.0, 12: 37.0, 30: 40.0}
PARTS = ("speed", "decode", "bleu", "attention")


def data_overrides(data):
    """Return the overrides that choose Multi30k's files."""
    folder = data.resolve() / "translation"
    names = {"train": "train", "validation": "val", "test": "test_2016_flickr"}
    return [
        f"data.{key}=[{folder}/multi30k-{name}.de.gz,{folder}/multi30k-{name}.en.gz]"
        for key, name in names.items()
    ]


def training_of(config, home):
    """Return a training that stands before its first update, and its prepared data."""
    from tagger_speed_seqline import make_training

    from seqline import stages
    from seqline.reporter import SilentReporter
    from seqline.stages.train import use_threads

    use_threads(config["trainer"])
    prepared = stages.prepare(config, stages.Workspace(home, SilentReporter()))
    return make_training(config, prepared, home), prepared


def training_speed(config, home, updates):
    """Return tokens/s of so many updates after the first twenty."""
    training, _ = training_of(config, home)
    for _ in range(LEFT_OUT):
        training._update()
    tokens, started = training.at.tokens, time.perf_counter()
    for _ in range(updates):
        training._update()
    return (training.at.tokens - tokens) / (time.perf_counter() - started)


def decoding_speed(model, split, search):
    """Return sentences/s over a whole split, the median of three."""
    import torch

    from seqline.training.batches import training_batches

    batches = training_batches(split.lengths, batch_size=BATCH, batch_tokens=None, seed=0, epoch=0)
    seconds = []
    with torch.inference_mode():
        for _ in range(TIMES):
            started = time.perf_counter()
            for rows in batches:
                search.write(model, split.batch(rows))
            seconds.append(time.perf_counter() - started)
    return len(split.lengths) / statistics.median(seconds)


def decoding(export, home):
    """Return sentences/s of an exported model, greedily and with a beam of five."""
    from seqline.comparison.bootstrap import stored_outputs
    from seqline.exported import load_export
    from seqline.training.inference import Search

    predictor = load_export(export)
    split = predictor.encoding.encode(stored_outputs(home, Path(export)).examples)
    found = {}
    for name, beam in (("greedy", 1), ("beam 5", 5)):
        options = {**predictor.config["decode"], "beam": beam, "max_length": LIMIT}
        search = Search(options, predictor.encoding.search_tokens)
        found[name] = decoding_speed(predictor.model, split, search)
    return found


def bleu_in(minutes, data, home, overrides):
    """Return the report of a run of the recipe that ends after so many minutes."""
    chosen = ["experiment=multi30k", *data_overrides(data), f"trainer.max_minutes={minutes}"]
    report, _ = run_seqline(home, [*chosen, *overrides])
    print(f"{minutes} min: BLEU {report['metrics']['bleu']:.2f}", file=sys.stderr)
    return report


class Follower(threading.Thread):
    """Keeps of a run in `home` its last checkpoint before each of some minutes of training."""

    def __init__(self, home, kept, marks):
        super().__init__(daemon=True)
        self.home, self.kept, self.marks = home, kept, marks
        self.seconds, self.done = dict.fromkeys(marks, 0.0), threading.Event()

    def run(self):
        while not self.done.wait(1):
            for path in sorted((self.home / "checkpoints").glob("*/checkpoint-*")):
                self.look_at(path)

    def look_at(self, path):
        try:
            trained = json.loads((path / "state.json").read_text())["progress"]["seconds"]
            for mark in self.marks:
                if max(self.seconds[mark], 60 * mark - 90) < trained <= 60 * mark:
                    self.kept.mkdir(exist_ok=True)
                    shutil.copy(path / "tensors.safetensors", self.kept / f"{mark:g}.safetensors")
                    self.seconds[mark] = trained
        except OSError:
            return  # a newer one has taken its place


def bleu_along(marks, data, home, overrides):
    """Return BLEU at some minutes of one run, by its averaged weights then, and the run's report.

    The last of the minutes are the run's own, and its figure is the report's.
    """
    *early, last = sorted(marks)
    chosen = ["experiment=multi30k", *data_overrides(data), f"trainer.max_minutes={last}"]
    chosen += ["trainer.checkpoint_minutes=0.5", *overrides]
    follower = Follower(home, home / "marks", early)
    follower.start()
    report, _ = run_seqline(home, chosen)
    follower.done.set()
    follower.join()
    found = {mark: bleu_of(mark, follower, chosen, report) for mark in early}
    return {**found, last: report["metrics"]["bleu"]}, report


def bleu_of(mark, follower, chosen, report):
    """Return BLEU on the test set of the averaged weights that were kept at a mark."""
    from safetensors.torch import load_file, save_file

    from seqline import stages
    from seqline.config.compose import compose
    from seqline.home import Home
    from seqline.reporter import SilentReporter
    from seqline.stages.folder import StageResult

    under = "average.module."
    kept = load_file(follower.kept / f"{mark:g}.safetensors")
    weights = {n.removeprefix(under): t for n, t in kept.items() if n.startswith(under)}
    folder = follower.kept / f"{mark:g}"
    folder.mkdir()
    save_file(weights, folder / "weights.safetensors")
    shutil.copy(Path(report["folders"]["train"], "summary.json"), folder)
    config = compose(chosen)
    given = (config, stages.Workspace(Home(follower.home), SilentReporter()))
    trained = StageResult("train", folder, f"mark {mark:g}", False)
    evaluated = stages.evaluate(*given, stages.prepare(*given), trained)
    bleu = json.loads((evaluated.folder / "metrics.json").read_text())["metrics"]["bleu"]
    print(f"{follower.seconds[mark] / 60:.2f} min: BLEU {bleu:.2f}", file=sys.stderr)
    return bleu


def main():
    parser = arguments(__doc__, "translation")
    parser.add_argument("--data", type=Path, required=True, help="the parent of translation/")
    parser.add_argument("--parts", nargs="+", default=list(PARTS), choices=PARTS)
    parser.add_argument("--minutes", type=float, nargs="+", default=list(BLEU_BARS))
    parser.add_argument("--peer-minutes", type=float, help="a run beside the peer's own minutes")
    parser.add_argument("--updates", type=int, default=100)
    parser.add_argument("--decode-from", type=Path, help="a home in which the recipe was run")
    parser.add_argument("--peer-result", type=Path, help="Joey NMT's result_joeynmt.json")
    given = parser.parse_args()
    before, figures, details = machine_state(), [], {}
    peer = json.loads(given.peer_result.read_text()) if given.peer_result else {}

    def beside(what, value, key, bar):
        figures.append(Figure(what, value))
        ratio = value / peer[key] if key in peer else None
        figures.append(Figure(f"{what} ÷ Joey NMT", ratio, bar))

    with tempfile.TemporaryDirectory() as name:
        from seqline.config.compose import compose
        from seqline.home import Home

        home, files = Path(name), data_overrides(given.data)
        if "speed" in given.parts:
            models = {
                "the peer's model": (["data=files", *files, *PEERS_OWN], 2.5),
                "our recipe": (["experiment=multi30k", *files], 4.5),
            }
            for what, (chosen, bar) in models.items():
                config = compose([*chosen, *given.override])
                place = Home(home / what.replace(" ", "-"))
                spawn = get_context("spawn")  # a process has one precision for good
                with ProcessPoolExecutor(1, mp_context=spawn) as own:
                    speed = own.submit(training_speed, config, place, given.updates).result()
                beside(f"training, {what}, tokens/s", speed, "train_src_trg_tok_s", bar)
        report = None
        if "bleu" in given.parts:
            found, report = bleu_along(given.minutes, given.data, home, given.override)
            for minutes, bleu in found.items():
                what = f"BLEU after {minutes:g} min of one run"
                figures.append(Figure(what, bleu, BLEU_BARS.get(minutes)))
            details["run"] = {key: report[key] for key in ("metrics", "minutes")}
        if given.peer_minutes:
            own = bleu_in(given.peer_minutes, given.data, home, given.override)["metrics"]["bleu"]
            figures.append(Figure(f"BLEU after {given.peer_minutes:g} min", own))
            above = own - peer["beam5_bleu"] if "beam5_bleu" in peer else None
            figures.append(Figure("the same − Joey NMT's", above, 22.0))
        if "attention" in given.parts:
            none = [*given.override, "architecture.attention=none"]
            scores = [
                bleu_in(12, given.data, home, one)["metrics"]["bleu"]
                for one in (given.override, none)
            ]
            figures.append(Figure("attention − none, 12 min, BLEU", scores[0] - scores[1], 4.0))
        if "decode" in given.parts:
            if given.decode_from:
                home = given.decode_from
                export = max(home.glob("stages/export-*/model"), key=lambda p: p.stat().st_mtime)
            else:
                report = report or bleu_in(12, given.data, home, given.override)
                export = report["export"]
            speeds = decoding(export, Home(home))
            beside("greedy, sentences/s", speeds["greedy"], "greedy_sent_s", 10.0)
            beside("beam 5, sentences/s", speeds["beam 5"], "beam5_sent_s", 6.0)
    conclude("Translation", figures, {**details, "peer": peer}, given.out, before)


if __name__ == "__main__":
    main()

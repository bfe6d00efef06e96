"""Five million pairs, made by repeating: memory and pairs/s of prepare, the batcher, 200 updates.

The memory is the peak of RssAnon in /proc/self/status (Linux), which leaves out what is mapped from
files, read twenty times a second by a thread. The pairs are a file's gz, repeated byte by byte.
They are trained on with trainer.spare_memory=true.
"""

import sys
import tempfile
import threading
import time
from pathlib import Path

from measure import Figure, arguments, conclude, machine_state

BAR_GB = 2.0
FOLDER = "translation"


class Memory(threading.Thread):
    """Watches this process's anonymous memory; `peak` is in GB."""

    def __init__(self):
        super().__init__(daemon=True)
        self.peak = 0.0

    def run(self):
        while True:
            lines = Path("/proc/self/status").read_text().splitlines()
            kilobytes = next(int(line.split()[1]) for line in lines if line.startswith("RssAnon"))
            self.peak = max(self.peak, kilobytes / 1e6)
            time.sleep(0.05)


def repeat(data, pairs, into):
    """Write the training files often enough; return the overrides that choose them."""
    import gzip

    overrides = ["data=files"]
    for key, name in (("train", "train"), ("validation", "val"), ("test", "test_2016_flickr")):
        sides = []
        for language in ("de", "en"):
            path = data / FOLDER / f"multi30k-{name}.{language}.gz"
            if key == "train":
                with gzip.open(path, "rb") as stream:
                    lines = sum(1 for _ in stream)
                made = into / f"train.{language}.gz"
                content = path.read_bytes()
                with made.open("wb") as stream:
                    for _ in range(-(-pairs // lines)):
                        stream.write(content)
                path = made
            sides.append(str(path))
        overrides.append(f"data.{key}=[{','.join(sides)}]")
    return overrides


def main():
    parser = arguments(__doc__, "translation_memory")
    parser.add_argument("--data", type=Path, required=True, help=f"the parent of {FOLDER}/")
    parser.add_argument("--pairs", type=int, default=5_000_000)
    parser.add_argument("--updates", type=int, default=200)
    given = parser.parse_args()
    before, memory = machine_state(), Memory()
    memory.start()

    from seqline import stages
    from seqline.config.compose import compose
    from seqline.home import Home
    from seqline.reporter import SilentReporter
    from seqline.stages.folder import read_json
    from seqline.training.batches import training_batches
    from seqline.training.loop import Watchers
    from seqline_plugins.build import build_task

    peaks, seconds = {}, {}

    def timed(name, do):
        memory.peak, started = 0.0, time.perf_counter()
        found = do()
        seconds[name] = time.perf_counter() - started
        time.sleep(0.1)
        peaks[name] = memory.peak
        print(f"{name}: {seconds[name]:.0f} s, {memory.peak:.2f} GB", file=sys.stderr)
        return found

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        chosen = repeat(given.data.resolve(), given.pairs, folder)
        config = compose(
            [*chosen, "experiment=multi30k", *chosen[1:], "trainer.max_minutes=null",
             f"trainer.max_steps={given.updates}", "trainer.validate_every=1000",
             "trainer.spare_memory=true",
             *given.override]
        )  # fmt: skip
        home = Home(folder / "home")
        workspace = stages.Workspace(home, SilentReporter())
        prepared = timed("prepare", lambda: stages.prepare(config, workspace))
        count = read_json(prepared.folder / "summary.json")["splits"]["train"]["examples"]

        def batch_all():
            split = build_task(config["task"]).split.load(prepared.folder / "train")
            options = {"batch_size": None, "batch_tokens": config["trainer"]["batch_tokens"]}
            for rows in training_batches(split.lengths, **options, seed=0, epoch=0):
                split.batch(rows)

        timed("batcher", batch_all)
        watchers = Watchers(SilentReporter(), home.checkpoints / "run")
        timed("train", lambda: stages.train(config, workspace, prepared, watchers))
    figures = [
        Figure("pairs", count),
        *(Figure(f"{n}, peak anonymous memory", v, BAR_GB, "<", " GB") for n, v in peaks.items()),
        Figure("prepare, pairs/s", count / seconds["prepare"]),
        Figure("batcher, pairs/s", count / seconds["batcher"]),
        Figure(f"{given.updates} updates, s", seconds["train"]),
    ]
    details = {"seconds": seconds, "peaks": peaks, "config": config}
    conclude("Translation, data at size", figures, details, given.out, before)


if __name__ == "__main__":
    main()

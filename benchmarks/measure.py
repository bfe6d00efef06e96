"""What the benchmarks share: reading data, running `seqline`, workers, the table of figures.

Only the standard library, since the peer's interpreter imports it too.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SPLITS = ("train", "dev", "test")
SETTINGS = ("MLFLOW_TRACKING_URI", "PREFECT_API_URL", "PREFECT_HOME", "SEQLINE_HOME")
"""Variables that would take a run out of the home given to it."""


@dataclass(frozen=True)
class Figure:
    """A measured value and what it must reach.

    `sign` is ">=", "<=", "<" or "=="; a bar of None asks nothing. A value of None was not
    measured, as `what` explains, and neither passes nor fails.
    """

    what: str
    value: float | bool | None
    bar: float | bool | None = None
    sign: str = ">="
    unit: str = ""

    @property
    def passed(self) -> bool | None:
        """Say whether the bar is reached, None where there is none or no value."""
        if self.bar is None or self.value is None:
            return None
        if self.sign == "==":
            return self.value == self.bar
        if self.sign == ">=":
            return self.value >= self.bar
        return self.value < self.bar if self.sign == "<" else self.value <= self.bar

    def row(self) -> str:
        """Return the figure as a row of Markdown."""
        bar = "" if self.bar is None else f"{self.sign} {_shown(self.bar)}{self.unit}"
        verdict = {True: "pass", False: "**fail**", None: ""}[self.passed]
        value = "not measured" if self.value is None else f"{_shown(self.value)}{self.unit}"
        return f"| {self.what} | {value} | {bar} | {verdict} |"


def _shown(value: float | bool) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.2f}"


def arguments(doc: str | None, name: str, *, overrides: bool = True) -> argparse.ArgumentParser:
    """Return a parser with --out, which every benchmark has, and --override."""
    parser = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("outputs") / f"{name}.json")
    if overrides:
        parser.add_argument(
            "--override", nargs="*", default=[], metavar="KEY=VALUE", help="added to every run"
        )
    return parser


def conclude(title: str, figures: Sequence[Figure], details: Any, out: Path, before: Any) -> None:
    """Print the table, write everything to `out`; exit with 1 if a figure misses its bar."""
    machine = {"before": before, "after": machine_state()}
    table = ["| figure | measured | bar | |", "|---|---|---|---|", *(f.row() for f in figures)]
    load = f"{before['load'][0]:.1f} before, {machine['after']['load'][0]:.1f} after"
    print(f"\n## {title}\n", *table, f"\n{before['processor']}, load {load}.", sep="\n")
    out.parent.mkdir(parents=True, exist_ok=True)
    listed = [{**figure.__dict__, "passed": figure.passed} for figure in figures]
    text = json.dumps({"figures": listed, "details": details, "machine": machine}, indent=1)
    out.write_text(text + "\n", encoding="utf-8")
    sys.exit(any(figure.passed is False for figure in figures))


def machine_state() -> dict[str, Any]:
    """Return the processor, the cores this process may use and the load on them."""
    model = platform.processor()
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next((x.split(":")[1].strip() for x in lines if x.startswith("model name")), model)
    cores = len(os.sched_getaffinity(0))
    return {"processor": f"{cores} cores of {model}", "load": os.getloadavg()}


def files_of(data: Path, treebank: str) -> dict[str, Path]:
    """Return a treebank's files: {"train": DATA/pos_tagging/en_ewt-train.conllu.gz, …}."""
    files = {split: data / "pos_tagging" / f"{treebank}-{split}.conllu.gz" for split in SPLITS}
    for path in files.values():
        if not path.is_file():
            sys.exit(f"{path}: there is no such file; --data is the parent of pos_tagging/.")
    return files


def data_overrides(data: Path, treebank: str) -> list[str]:
    """Return the overrides that make a run read a treebank's files."""
    files = files_of(data.resolve(), treebank)
    keys = zip(("train", "validation", "test"), SPLITS, strict=True)
    return ["data=files", *(f"data.{key}='{files[split]}'" for key, split in keys)]


def read_words(path: Path) -> Iterator[list[tuple[str, str]]]:
    """Yield a file's sentences as (word, universal tag); spaces in a word become underscores."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        sentence: list[tuple[str, str]] = []
        for line in lines:
            columns = line.rstrip("\n").split("\t")
            if columns[0].isdigit():  # no multiword ranges, no empty nodes
                sentence.append((columns[1].replace(" ", "_"), columns[3]))
            elif not line.strip() and sentence:
                yield sentence
                sentence = []


def shorten(data: Path, treebank: str, sentences: int, into: Path) -> Path:
    """Write the first sentences of each file into a data folder of its own, to try things out."""
    (into / "pos_tagging").mkdir(parents=True)
    for path in files_of(data, treebank).values():
        with gzip.open(path, "rt", encoding="utf-8") as stream:
            kept = stream.read().split("\n\n")[:sentences]
        with gzip.open(into / "pos_tagging" / path.name, "wt", encoding="utf-8") as stream:
            stream.write("\n\n".join(kept) + "\n\n")
    return into


def seqline() -> str:
    """Return the `seqline` command of this interpreter's environment."""
    return str(Path(sys.executable).with_name("seqline"))


def clean_environment(home: Path) -> dict[str, str]:
    """Return this process's environment with a home and no servers of anyone's."""
    kept = {name: value for name, value in os.environ.items() if name not in SETTINGS}
    return {**kept, "SEQLINE_HOME": str(home)}


def run_seqline(home: Path, overrides: Sequence[str], *flags: str) -> tuple[dict[str, Any], float]:
    """Run `seqline run`; return its report and the wall time in seconds."""
    command = [seqline(), "run", *flags, "--json", *overrides]
    started = time.perf_counter()
    done = subprocess.run(command, env=clean_environment(home), capture_output=True, text=True)
    seconds = time.perf_counter() - started
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stderr}{done.stdout}")
    return json.loads(done.stdout), seconds


class Worker:
    """A process that does one thing at a time when told, so that two can take turns."""

    def __init__(self, python: str, script: str, *options: str, threads: int) -> None:
        path = Path(__file__).parent / script
        self.log = tempfile.TemporaryFile("w+")  # noqa: SIM115
        environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
        self.process = subprocess.Popen(
            [python, str(path), *options], stdin=-1, stdout=-1, stderr=self.log,
            text=True, env=environment,
        )  # fmt: skip
        self.ready = self._answer()

    def do(self, task: str) -> Any:
        """Have it done; return the answer when it is done."""
        assert self.process.stdin is not None
        print(task, file=self.process.stdin, flush=True)
        return self._answer()

    def close(self) -> None:
        """Tell it that nothing more comes, and wait for its end."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()

    def _answer(self) -> Any:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            self.log.seek(0)
            sys.exit(f"{self.process.args}\n{self.log.read()[-4000:]}")
        return json.loads(line)


def median(values: Sequence[float]) -> float:
    """Return the median."""
    return float(statistics.median(values))

"""A corpus bigger than memory: how fast it is prepared, and how much memory the run takes.

Ten gigabytes of text are made by repeating one, in a folder of its own that is removed; then
`seqline run task=text` prepares them and trains for 200 updates. RssAnon, the memory that is the
process's own and no mapped file, is read from /proc for every process of the run, and summed.
"""

import gzip
import re
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from measure import Figure, arguments, clean_environment, conclude, machine_state, seqline

EVERY = 0.2
DONE = re.compile(r"^(prepare|train): done in ([\d.:]+)", re.MULTILINE)
NETWORK = (
    "task=text", "architecture.bidirectional=false", "architecture.input_dropout=0",
    "architecture.output_dropout=0", "trainer.max_epochs=null", "trainer.batch_size=50",
)  # fmt: skip


def repeat(source, size, path):
    """Write a gz text over and over until the file has `size` bytes."""
    text = gzip.decompress(source.read_bytes())
    with path.open("wb") as stream:
        while stream.tell() < size:
            stream.write(text)
    return path.stat().st_size


def own_memory(process):
    """Return the RssAnon of a process and of all below it, in bytes."""
    total, waiting = 0, [process]
    while waiting:
        folder = Path("/proc") / str(waiting.pop())
        try:
            status = (folder / "status").read_text()
            children = [task / "children" for task in (folder / "task").iterdir()]
            waiting += [int(one) for path in children for one in path.read_text().split()]
        except OSError:
            continue  # it has ended
        found = re.search(r"RssAnon:\s+(\d+) kB", status)
        total += 1024 * int(found.group(1)) if found else 0
    return total


def run(home, file, steps, overrides):
    """Run it; return the seconds of each stage, the most memory and what was printed."""
    command = [seqline(), "run", *NETWORK, "data=files", f"data.file={file}"]
    command += [f"trainer.max_steps={steps}", *overrides]
    process = subprocess.Popen(
        command, env=clean_environment(home), stdout=-1, stderr=subprocess.STDOUT, text=True
    )
    most, over = [0], threading.Event()

    def watch():
        while not over.is_set():
            most[0] = max(most[0], own_memory(process.pid))
            time.sleep(EVERY)

    watcher = threading.Thread(target=watch)
    watcher.start()
    printed, _ = process.communicate()
    over.set()
    watcher.join()
    if process.returncode:
        sys.exit(printed)
    return {stage: seconds_of(took) for stage, took in DONE.findall(printed)}, most[0], printed


def seconds_of(took):
    """Return what "9.6", "1:37" or "1:02:03" are in seconds."""
    seconds = 0.0
    for part in took.split(":"):
        seconds = 60 * seconds + float(part)
    return seconds


def main():
    parser = arguments(__doc__, "corpus")
    parser.add_argument("--text", type=Path, required=True, help="a text, gz, to be repeated")
    parser.add_argument("--gigabytes", type=float, default=10.0)
    parser.add_argument("--steps", type=int, default=200)
    given = parser.parse_args()
    before = machine_state()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        file = Path(folder) / "corpus.txt"
        size = repeat(given.text, given.gigabytes * 1e9, file)
        seconds, memory, printed = run(Path(folder) / "home", file, given.steps, given.override)
    rows = [
        Figure(f"RssAnon at most, {size / 1e9:.1f} GB, {given.steps} updates",
               memory / 1e9, 1.5, "<", " GB"),
        Figure("prepared, MB/s", size / 1e6 / seconds["prepare"], 20.0),
    ]  # fmt: skip
    conclude("A corpus bigger than memory", rows, printed, given.out, before)


if __name__ == "__main__":
    main()

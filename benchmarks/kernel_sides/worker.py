"""One side of kernels.py: a process that builds layers and runs one of them once when told.

Driven through its standard input and output, a JSON object a line:

    {"do": "build", "key": …, "side": …}   make it ready, compiled and warmed up
    {"do": "time", "key": …}               one call, in milliseconds
    {"do": "memory", "side": …}            the rise of memory in one call, in a fresh process
    {"do": "free"}                         forget what was built
"""

import argparse
import gc
import importlib
import json
import os
import sys
import threading
import time
import warnings
from pathlib import Path

SHORT = 50.0
"""Milliseconds; a shorter call is run once before the one that counts, to warm up again."""
SAMPLED = 0.001
"""Seconds between two looks at the memory."""


def milliseconds(call):
    started = time.perf_counter()
    call()
    return 1000 * (time.perf_counter() - started)


def anonymous_memory():
    """Return the bytes of memory of this process's own, RssAnon."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("RssAnon"))


def rise_of_memory(call):
    """Return the most memory that a call has at once beyond what there was before it."""
    gc.collect()
    before = anonymous_memory()
    seen, done = [before], threading.Event()

    def watch():
        while not done.wait(SAMPLED):
            seen.append(anonymous_memory())

    watcher = threading.Thread(target=watch)
    watcher.start()
    took = milliseconds(call)
    seen.append(anonymous_memory())
    done.set()
    watcher.join()
    return {"bytes": max(seen) - before, "looks": len(seen), "ms": took}


def build(family, side):
    """Return a side's call and what is known of it, after enough calls to compile everything."""
    call, about = family.build(side)
    first = milliseconds(call)
    about["first_ms"] = first
    about["ms"] = milliseconds(call)
    while about["ms"] < first / 2 and about["ms"] < 1000:  # TorchScript compiles in the second
        first, about["ms"] = about["ms"], milliseconds(call)
    return call, about


def answer_all(family, answer):
    built = {}
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            if asked["do"] == "build":
                call, about = build(family, asked["side"])
                built[asked["key"]] = call, about["ms"] < SHORT
                answer(about)
            elif asked["do"] == "time":
                call, is_short = built[asked["key"]]
                if is_short:
                    call()
                answer({"ms": milliseconds(call)})
            elif asked["do"] == "memory":
                side = asked["side"]
                small = {**side, "shape": [2, 4, *side["shape"][2:]]}
                family.build(small)[0]()  # libraries and threads are there before the first look
                answer(rise_of_memory(family.build(side)[0]))
            else:
                built.clear()
                family.forget()
                gc.collect()
                answer({})
        except Exception as reason:  # the driver names the side that failed, and goes on
            answer({"failed": f"{type(reason).__name__}: {str(reason).strip()[:500]}"})


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("family", choices=["seqline", "torch", "keras", "flax"])
    parser.add_argument("--threads", type=int, required=True)
    given = parser.parse_args()
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print goes to the log
    warnings.filterwarnings("ignore")

    def answer(value):
        print(json.dumps(value), file=answers, flush=True)

    try:
        family = importlib.import_module(f"of_{given.family}")
    except ImportError as missing:
        answer({"missing": str(missing)})
        return
    answer(family.prepare(given.threads))
    answer_all(family, answer)


if __name__ == "__main__":
    main()

"""The generated kernels beside their peers, in one run, taking turns.

Shapes are (B, T, I, H): batch, time, input and hidden size; one layer, float32, the forward and the
backward pass of all weights and the input, unless a group says otherwise. Each family of peers is
a process that makes one call when told; all sides of a group take turns, so that noise hits all,
and a figure is a ratio of medians.

Groups, for --groups, a regular expression:
  small, large   lstm, gru, rnn beside nn.LSTM, nn.GRU, nn.RNN
  one            a batch of one: lstm beside nn.LSTM; gru, rnn beside Keras and Flax on JAX
  custom         layer_norm_lstm, peephole_lstm, mgu beside our own lstm at equal parameters, loops
                 in Python, torch.jit, torch.compile of a step, Keras and Flax on JAX
  lengths        lengths of 25 to 100 % beside nn.LSTM on padded and on packed batches
  bf16           lstm, gru under autocast
  forward        lstm, inference
  scan           min_gru beside our own lstm
  peak           useful operations a second of lstm beside those of a 1024³ product
  recomputed     lstm of many steps, most of them recomputed in the backward pass
  memory         the rise of anonymous memory in one training step, with and without that
"""

import json
import re
import sys
import time
from pathlib import Path

from kernel_groups import BUDGET, MEMORY, ON_JAX, Side, by, timed_groups
from measure import Figure, Worker, arguments, conclude, machine_state, median

TRIED, BEHIND = 3, 1.5
"""Rounds after which a peer so many times slower than another of its row is asked no more."""
FRESH = 3
"""Processes of each side that measure memory, which hardly varies."""


class Families:
    """The processes, one a family, each started when first needed."""

    def __init__(self, peer_python, threads):
        self.peer_python, self.threads = peer_python, threads
        self.workers = {}

    def start(self, family):
        python = self.peer_python if family in ON_JAX else sys.executable
        return Worker(
            python or sys.executable, "kernel_sides/worker.py", family,
            "--threads", str(self.threads), threads=self.threads,
        )  # fmt: skip

    def ask(self, family, **task):
        """Return a family's answer; "missing" or "failed" in it is why there is none."""
        if family not in self.workers:
            self.workers[family] = self.start(family)
            if "missing" in self.workers[family].ready:
                reason = self.workers[family].ready["missing"]
                print(f"skipping {family}: {reason}", file=sys.stderr)
        worker = self.workers[family]
        return worker.ready if "missing" in worker.ready else worker.do(json.dumps(task))

    def free(self):
        for worker in self.workers.values():
            if "missing" not in worker.ready:
                worker.do('{"do": "free"}')

    def close(self):
        for worker in self.workers.values():
            worker.close()

    @property
    def versions(self):
        return {family: worker.ready for family, worker in self.workers.items()}


def measure_in_turns(group, families, rounds):
    """Return each side's milliseconds, or why there are none."""
    found = {}
    for key, side in group.sides.items():
        found[key] = families.ask(side.family, do="build", key=key, side=side.request)
    ready = [key for key, about in found.items() if "ms" in about]
    times = {key: [] for key in ready}
    turn = list(ready)
    for number in range(rounds):
        if number == TRIED:
            turn = [key for key in turn if not is_behind(key, group, times)]
        for key in turn:
            answer = families.ask(group.sides[key].family, do="time", key=key)
            times[key].append(answer["ms"])
        turn.reverse()
    families.free()
    for key in ready:
        found[key] |= {"all": times[key], "ms": median(times[key])}
    return found


def is_behind(key, group, times):
    """Whether a side only stands for rows in which another peer is faster by far."""
    rows = [ratio for ratio in group.ratios if key in (ratio.ours, *ratio.peers)]
    return all(
        key in ratio.peers
        and any(
            BEHIND * median(times[peer]) < median(times[key])
            for peer in ratio.peers
            if peer in times
        )
        for ratio in rows
    )


def figures_of(group, found):
    """Return the ratios; one without a side that was measured says why."""
    for ratio in group.ratios:
        absent = {key: why(found[key]) for key in ratio.peers if "ms" not in found[key]}
        measured = [key for key in ratio.peers if key not in absent]
        note = "".join(f"; {key} {reason}" for key, reason in absent.items())
        kernel = found[ratio.ours].get("kernel", "generated")
        note += "" if kernel == "generated" else f"; {kernel}"
        if not measured or "ms" not in found[ratio.ours]:
            note += "" if "ms" in found[ratio.ours] else f"; {why(found[ratio.ours])}"
            yield Figure(ratio.what + note, None, ratio.bar, ratio.sign, ratio.unit)
            continue
        best = min(measured, key=lambda key: found[key]["ms"])
        if len(ratio.peers) > 1:
            note = f" ({best})" + note
        value = ratio.scale * found[ratio.ours]["ms"] / found[best]["ms"]
        yield Figure(ratio.what + note, value, ratio.bar, ratio.sign, ratio.unit)


def why(answer):
    """Return why a side has no time, in a few words."""
    return "is not installed" if "missing" in answer else f"failed: {answer['failed'][:80]}"


def memory_figures(families, shape):
    """Return the rise of memory beside nn.LSTM's, each measured in fresh processes."""
    sides = {
        "lstm": Side("seqline", "lstm", shape),
        "recomputed": Side("seqline", "lstm", shape, budget=BUDGET),
        "nn.LSTM": Side("torch", "lstm", shape, "padded"),
    }
    bars = {"lstm": 1.0, "recomputed": 0.3}
    found = {key: [] for key in sides}
    for _ in range(FRESH):
        for key, side in sides.items():
            worker = families.start(side.family)
            answer = worker.do(json.dumps({"do": "memory", "side": side.request}))
            worker.close()
            if "failed" in answer:
                sys.exit(f"memory of {key}: {answer['failed']}")
            found[key].append(answer)
    rise = {key: median([answer["bytes"] for answer in found[key]]) for key in found}
    rows = [Figure(f"rise of memory, {key}, MB", rise[key] / 1e6) for key in rise]
    for key, bar in bars.items():
        what = f"rise of memory, {key} ÷ nn.LSTM, {by(shape)}"
        rows.append(Figure(what, rise[key] / rise["nn.LSTM"], bar, "<="))
    return rows, found


def main():
    parser = arguments(__doc__, "kernels", overrides=False)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=9, help="calls of each side that count")
    parser.add_argument("--groups", default="", metavar="REGEX", help="only those it is found in")
    parser.add_argument(
        "--list", action="store_true", help="print the groups' names and measure nothing"
    )
    parser.add_argument("--peer-python", type=Path, help="an interpreter that has keras and flax")
    given = parser.parse_args()
    groups = [one for one in timed_groups() if re.search(given.groups, one.name)]
    if given.list:
        print(*(one.name for one in groups), sep="\n")
        return
    before, rows, details = machine_state(), [], {}
    families = Families(given.peer_python and str(given.peer_python), given.threads)
    started = time.perf_counter()
    for number, one in enumerate(groups, start=1):
        found = measure_in_turns(one, families, given.rounds)
        rows += figures_of(one, found)
        details[one.name] = found
        shown = ", ".join(
            f"{key} {about['ms']:.1f}" if "ms" in about else f"{key} {why(about)}"
            for key, about in found.items()
        )
        minutes = (time.perf_counter() - started) / 60
        print(
            f"[{number}/{len(groups)}, {minutes:.1f} min] {one.name}: {shown} ms", file=sys.stderr
        )
    families.close()
    if re.search(given.groups, "memory"):
        more, details["memory"] = memory_figures(families, MEMORY)
        rows += more
    details["versions"] = families.versions
    conclude(f"Kernels, {given.threads} threads", rows, details, given.out, before)


if __name__ == "__main__":
    main()

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
  memory         the rise of anonymous memory in one training step
"""

import json
import random
import re
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

from measure import Figure, Worker, arguments, conclude, machine_state, median

SMALL = ((32, 64, 128, 256), (16, 256, 128, 128))
LARGE = ((64, 128, 256, 512), (128, 64, 512, 512))
ONE = (1, 1000, 64, 128)
SCAN = (8, 4096, 64, 128)
MEMORY = (64, 1024, 256, 512)
PEAK = (128, 64, 512, 512)
LAYERS = {"lstm": "nn.LSTM", "gru": "nn.GRU", "rnn": "nn.RNN"}
CUSTOM = ("layer_norm_lstm", "peephole_lstm", "mgu")
LOOPS = {"loop": "a Python loop", "script": "torch.jit", "compile": "torch.compile of a step"}
ON_JAX = {"keras": "Keras", "flax": "Flax"}
PRODUCTS = 50
"""The products that the side `product` makes in one call."""
ALIKE = 0.02
"""The share by which parameters may differ and still be called equal."""
TRIED, BEHIND = 3, 1.5
"""Rounds after which a peer so many times slower than another of its row is asked no more."""
FRESH = 3
"""Processes of each side that measure memory, which hardly varies."""


@dataclass(frozen=True)
class Side:
    """What one process builds; `form` is how, where a family has several."""

    family: str
    cell: str
    shape: tuple[int, int, int, int]
    form: str = "layer"
    lengths: tuple[int, ...] | None = None
    precision: str = "32"
    trains: bool = True

    @property
    def request(self):
        return {name: value for name, value in self.__dict__.items() if name != "family"}


@dataclass(frozen=True)
class Ratio:
    """`scale` × the median of one side ÷ the least median of its peers, and its bar."""

    what: str
    ours: str
    peers: tuple[str, ...]
    bar: float
    sign: str = "<="
    scale: float = 1.0
    unit: str = ""


@dataclass(frozen=True)
class Group:
    name: str
    sides: dict[str, Side]
    ratios: tuple[Ratio, ...]


def by(shape):
    return " × ".join(map(str, shape))


def group(name, shape, sides, *ratios):
    """Return a group named by its shape, the ratios' labels too."""
    labelled = (replace(ratio, what=f"{ratio.what}, {by(shape)}") for ratio in ratios)
    return Group(f"{name}/{'x'.join(map(str, shape))}", sides, tuple(labelled))


def size_of(shape):
    """Return "small", "large" or "one"."""
    return "one" if shape == ONE else "small" if shape in SMALL else "large"


def layer_groups():
    bars = {
        "lstm": {"small": 1.0, "large": 1.0},
        "gru": {"small": 0.6, "large": 0.85},
        "rnn": {"small": 0.7, "large": 0.95},
    }
    for shape in (*SMALL, *LARGE):
        for cell, peer in LAYERS.items():
            sides = {
                cell: Side("seqline", cell, shape),
                peer: Side("torch", cell, shape, "padded"),
            }
            ratio = Ratio(f"{cell} ÷ {peer}", cell, (peer,), bars[cell][size_of(shape)])
            yield group(f"{size_of(shape)}/{cell}", shape, sides, ratio)


def one_groups():
    for cell, peer in LAYERS.items():
        sides = {cell: Side("seqline", cell, ONE), peer: Side("torch", cell, ONE, "padded")}
        if cell == "lstm":
            ratio = Ratio(f"{cell} ÷ {peer}", cell, (peer,), 0.8)
        else:
            sides |= {name: Side(family, cell, ONE) for family, name in ON_JAX.items()}
            ratio = Ratio(f"{cell} ÷ the best on JAX", cell, tuple(ON_JAX.values()), 0.9)
        yield group(f"one/{cell}", ONE, sides, ratio)


def custom_groups():
    against_torch = {"small": 0.5, "large": 0.8, "one": 0.1}
    against_jax = {"small": 0.6, "large": 0.95}
    in_torch, on_jax = tuple(LOOPS.values()), tuple(ON_JAX.values())
    for shape in (*SMALL, *LARGE, ONE):
        for cell in CUSTOM:
            hidden = equal_hidden_size(cell, *shape[2:])
            equal = cell if hidden == shape[3] else f"{cell} of {hidden}"
            sides = {
                cell: Side("seqline", cell, shape),
                equal: Side("seqline", cell, (*shape[:3], hidden)),
                "our lstm": Side("seqline", "lstm", shape),
            }
            sides |= {name: Side("torch", cell, shape, form) for form, name in LOOPS.items()}
            size = size_of(shape)
            ratios = [
                Ratio(f"{equal} ÷ our lstm of {shape[3]}", equal, ("our lstm",), 1.2),
                Ratio(f"{cell} ÷ the best in torch", cell, in_torch, against_torch[size]),
            ]
            if size != "one":
                sides |= {name: Side(family, cell, shape) for family, name in ON_JAX.items()}
                ratios.append(Ratio(f"{cell} ÷ the best on JAX", cell, on_jax, against_jax[size]))
            yield group(f"custom/{size}/{cell}", shape, sides, *ratios)


def equal_hidden_size(cell, I, H):
    """Return H, or the size at which a cell has most nearly an lstm's parameters of size H."""
    from seqline_plugins.build import build_cell
    from seqline_plugins.declarations import parameter_count

    wanted = parameter_count(build_cell({"name": "lstm"}, I, H), I, H)

    def off(hidden):
        found = parameter_count(build_cell({"name": cell}, I, hidden), I, hidden)
        return abs(found / wanted - 1)

    return H if off(H) <= ALIKE else min(range(1, 4 * H), key=off)


def lengths_of(shape):
    """Return lengths uniform in 25 to 100 % of T, the first T itself."""
    B, T = shape[:2]
    draw = random.Random(B * T)
    return (T, *(draw.randint(T // 4, T) for _ in range(B - 1)))


def lengths_groups():
    for shape in (*SMALL, *LARGE):
        lengths = lengths_of(shape)
        sides = {
            "lstm": Side("seqline", "lstm", shape, lengths=lengths),
            "packed": Side("torch", "lstm", shape, "packed", lengths),
            "padded": Side("torch", "lstm", shape, "padded", lengths),
        }
        yield group(
            f"lengths/{size_of(shape)}",
            shape,
            sides,
            Ratio("lengths of 25 to 100 %, lstm ÷ nn.LSTM packed", "lstm", ("packed",), 0.35),
            Ratio("lengths of 25 to 100 %, lstm ÷ nn.LSTM padded", "lstm", ("padded",), 0.75),
        )


def bf16_groups():
    for shape in (*SMALL, *LARGE):
        for cell, bar in (("lstm", 1.0), ("gru", 0.8)):
            peer = LAYERS[cell]
            sides = {
                cell: Side("seqline", cell, shape, precision="bf16"),
                peer: Side("torch", cell, shape, "padded", precision="bf16"),
            }
            ratio = Ratio(f"bf16, {cell} ÷ {peer}", cell, (peer,), bar)
            yield group(f"bf16/{size_of(shape)}/{cell}", shape, sides, ratio)


def forward_groups():
    for shape in (*SMALL, *LARGE):
        sides = {
            "lstm": Side("seqline", "lstm", shape, trains=False),
            "nn.LSTM": Side("torch", "lstm", shape, "padded", trains=False),
        }
        bar = 0.8 if shape in SMALL else 1.0
        ratio = Ratio("forward only, lstm ÷ nn.LSTM", "lstm", ("nn.LSTM",), bar)
        yield group(f"forward/{size_of(shape)}", shape, sides, ratio)


def scan_groups():
    sides = {name: Side("seqline", name, SCAN) for name in ("min_gru", "lstm")}
    yield group("scan", SCAN, sides, Ratio("min_gru ÷ our lstm", "min_gru", ("lstm",), 0.4))


def peak_groups():
    B, T, I, H = PEAK
    useful = 3 * 2 * B * T * 4 * H * (I + H)  # the backward pass has two products for each one
    sides = {
        "lstm": Side("seqline", "lstm", PEAK),
        "products": Side("torch", "none", PEAK, "product"),
    }
    share = 100 * useful / (PRODUCTS * 2 * 1024**3)
    what = "lstm's useful operations a second ÷ a 1024³ product's"
    ratio = Ratio(what, "products", ("lstm",), 80.0, ">=", share, " %")
    yield group("peak", PEAK, sides, ratio)


def timed_groups():
    """Yield every group but that of memory."""
    for made in (
        layer_groups,
        one_groups,
        lengths_groups,
        bf16_groups,
        forward_groups,
        scan_groups,
        peak_groups,
        custom_groups,
    ):
        yield from made()


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
        "nn.LSTM": Side("torch", "lstm", shape, "padded"),
    }
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
    what = f"rise of memory, lstm ÷ nn.LSTM, {by(shape)}"
    return [*rows, Figure(what, rise["lstm"] / rise["nn.LSTM"], 1.0, "<=")], found


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

"""What `kernels.py` measures: which sides take turns in a group, and the bar of each ratio.

Shapes are (B, T, I, H).
"""

import random
from dataclasses import dataclass, replace

SMALL = ((32, 64, 128, 256), (16, 256, 128, 128))
LARGE = ((64, 128, 256, 512), (128, 64, 512, 512))
ONE = (1, 1000, 64, 128)
SCAN = (8, 4096, 64, 128)
MEMORY = (64, 1024, 256, 512)
PEAK = (128, 64, 512, 512)
BUDGET = 128 * 2**20
"""Bytes that may be kept for the backward pass where the rest is computed again: a fifth."""
LAYERS = {"lstm": "nn.LSTM", "gru": "nn.GRU", "rnn": "nn.RNN"}
CUSTOM = ("layer_norm_lstm", "peephole_lstm", "mgu")
LOOPS = {"loop": "a Python loop", "script": "torch.jit", "compile": "torch.compile of a step"}
ON_JAX = {"keras": "Keras", "flax": "Flax"}
PRODUCTS = 50
"""The products that the side `product` makes in one call."""
ALIKE = 0.02
"""The share by which parameters may differ and still be called equal."""


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
    budget: int | None = None

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


def recomputed_groups():
    sides = {
        "lstm": Side("seqline", "lstm", MEMORY),
        "recomputed": Side("seqline", "lstm", MEMORY, budget=BUDGET),
    }
    what = f"lstm recomputed beyond {BUDGET >> 20} MB ÷ lstm"
    yield group("recomputed", MEMORY, sides, Ratio(what, "recomputed", ("lstm",), 1.35))


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
        recomputed_groups,
        peak_groups,
        custom_groups,
    ):
        yield from made()
